"""The pages of events in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamer.events.store import EVENTS_FILE, EventStore
from streamer.web.event_library import EventCamera
from streamer.web.server import WebServer
from tests.events.happenings import ended, event
from tests.waiting import wait_until
from tests.web.happened import RATE, clip_start, kept, served, write_clip, write_events, write_records

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

COUNT = 60

NUMBER = """() => {
  const video = document.querySelector('#player video'), canvas = document.querySelector('#player canvas');
  const strip = new OffscreenCanvas(128, 16).getContext('2d', {willReadFrequently: true});
  strip.drawImage(video, 0, video.videoHeight - 16, 128, 16, 0, 0, 128, 16);
  const row = strip.getImageData(0, 8, 128, 1).data;
  let shown = 0;
  for (let bit = 0; bit < 8; bit++) shown |= (row[4 * (16 * bit + 8)] > 128) << bit;
  return [shown, Number(canvas.dataset.at), canvas.dataset.of];
}"""

LEFT = """() => {
  const canvas = document.querySelector('#player canvas'), {width, height} = canvas;
  const strip = new OffscreenCanvas(width, 1).getContext('2d', {willReadFrequently: true});
  strip.drawImage(canvas, 0, Math.round(height * 80 / 192), width, 1, 0, 0, width, 1);
  const row = strip.getImageData(0, 0, width, 1).data;
  const drawn = [];
  for (let x = 0; x < width; x++) if (row[4 * x + 3]) drawn.push(x * 320 / width);
  return drawn.length ? [drawn[0], drawn.at(-1)] : null;
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[EventStore]:
    """Events with records; the first one has a clip that browsers play, the third one another that they do not."""
    write_records(folder / "gate.jsonl", clip_start(1))
    with write_events(folder, COUNT) as store:
        write_clip(folder / "gate" / f"{event(3).id}.mp4", clip_start(3), "libx265")
        yield store


@pytest.fixture
def server(folder: Path, store: EventStore) -> Iterator[WebServer]:
    cameras = {"gate": EventCamera(folder, records=folder / "gate.jsonl"), "yard": EventCamera(folder)}
    assert store.path.parent == folder
    with served(cameras) as server:
        yield server


@pytest.fixture
def page(browser: Browser, server: WebServer, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page in whose console nothing may stand at the end."""
    assert server.port  # it is closed after the page, which would complain
    page = browser.new_context(**getattr(request, "param", {})).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.context.close()
    assert complaints == []


def shown(page: Page) -> list[str | None]:
    return [each.get_attribute("data-id") for each in page.locator("#events li").all()]


def until(page: Page, expression: str) -> None:
    """Wait until something holds on the page. Not by ``wait_for_function``, which needs what the page's policy forbids."""

    def holds() -> bool:
        page.wait_for_timeout(50)
        return bool(page.evaluate(expression))

    wait_until(holds, 60, what=lambda: expression)


def test_long_names_are_read_whole(page: Page, folder: Path, tmp_path: Path) -> None:
    name = "The-camera-at-the-northern-gate-of-the-second-yard-behind-hall-7"
    assert folder.is_dir()
    with EventStore(tmp_path / EVENTS_FILE) as store:
        store.record(
            ended(1, camera=name, classes=("person", "traffic light", "parking meter"), scores=(0.9,) * 3, zones=("z" * 64,))
        )
    with served({name: EventCamera(tmp_path)}) as other:
        page.goto(f"{other.url}/events")
        page.wait_for_selector("#events li")
        wider = "each.clientWidth && each.scrollWidth > each.clientWidth + 1"
        cut = f"[...document.querySelectorAll('#events li *')].filter((each) => {wider}).map((each) => each.className)"
        assert page.evaluate(cut) == []
        page.goto("about:blank")


def ids(*numbers: int) -> list[str]:
    return [event(number).id for number in numbers]


def test_what_is_asked_for_stands_in_the_address(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/events")
    page.wait_for_selector("#events li:nth-child(48)")
    page.get_by_label("Camera").select_option("gate")
    page.get_by_label("Class").select_option("car")
    until(page, "document.querySelectorAll('#events li').length === 10")
    assert shown(page) == ids(*range(57, 0, -6))
    page.get_by_label("Until").fill("2026-01-01T00:01")
    page.wait_for_url("**until=2026-01-01T00%3A01Z")
    address = page.url
    other = page.context.new_page()
    other.goto(address)
    other.wait_for_selector("#events li:nth-child(10)")
    assert shown(other) == ids(*range(57, 0, -6))
    assert other.get_by_label("Class").input_value() == "car"
    assert other.get_by_label("Until").input_value() == "2026-01-01T00:01"
    page.get_by_role("button", name="Show all").click()
    page.wait_for_selector("#events li:nth-child(48)")
    assert page.url == f"{server.url}/events"


def test_a_list_goes_on_and_tells_of_what_happens_meanwhile(page: Page, server: WebServer, store: EventStore) -> None:
    page.goto(f"{server.url}/events?camera=yard")
    page.wait_for_selector(f"#events li:nth-child({COUNT // 2})")
    assert page.locator("#events li .state:visible").count() == 1
    page.goto(f"{server.url}/events")
    page.get_by_role("button", name="Older events").click()
    page.wait_for_selector(f"#events li:nth-child({COUNT})")
    assert not page.get_by_role("button", name="Older events").is_visible()
    store.record(kept(store.path.parent, COUNT + 1, going_on=True))
    page.wait_for_selector(f"#events li:nth-child(1)[data-id='{event(COUNT + 1).id}'] .state:visible")
    store.record(kept(store.path.parent, COUNT + 1, going_on=False))
    page.wait_for_selector(f"#events li[data-id='{event(COUNT + 1).id}'] .state", state="hidden")
    assert shown(page) == ids(*range(COUNT + 1, 0, -1))
    store._connection.execute("DELETE FROM events WHERE id = ?", (event(COUNT + 1).id,))
    page.wait_for_selector(f"#events li[data-id='{event(COUNT + 1).id}']", state="detached")


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 844}, "is_mobile": True}], indirect=True)
def test_of_hundreds_some_are_shown_and_all_can_be(page: Page, tmp_path: Path) -> None:
    with EventStore(tmp_path / EVENTS_FILE) as store, served({"gate": EventCamera(tmp_path)}) as server:
        for number in range(1, 501):
            store.record(ended(number))
        page.goto(f"{server.url}/events")
        page.wait_for_selector("#events li:nth-child(48)")
        assert shown(page) == ids(*range(500, 452, -1))
        older = page.get_by_role("button", name="Older events")
        for seen in range(96, 501, 48):
            older.click()
            page.wait_for_selector(f"#events li:nth-child({seen})")
        older.click()
        page.wait_for_selector("#events li:nth-child(500)")
        assert not older.is_visible()
        assert shown(page) == ids(*range(500, 0, -1))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_page_that_slept_while_much_happened_leaves_nothing_out(page: Page, tmp_path: Path) -> None:
    with EventStore(tmp_path / EVENTS_FILE) as store, served({"gate": EventCamera(tmp_path)}) as server:
        for number in range(1, 61):
            store.record(ended(number))
        page.goto(f"{server.url}/events")
        page.get_by_role("button", name="Older events").click()
        page.wait_for_selector("#events li:nth-child(60)")
        page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
        for number in range(61, 161):
            store.record(ended(number))
        page.evaluate("Object.defineProperty(document, 'hidden', {value: false})")
        page.wait_for_selector(f"#events li:nth-child(1)[data-id='{event(160).id}']")
        older = page.get_by_role("button", name="Older events")
        for seen in (96, 144, 160):
            older.click()
            page.wait_for_selector(f"#events li:nth-child({seen})")
        assert shown(page) == ids(*range(160, 0, -1))
        assert not older.is_visible()


def test_nothing_there_is_said(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/events?camera=yard&zone=door")
    until(page, "document.getElementById('empty').textContent === 'No event is like that.'")


def test_what_is_drawn_is_of_the_very_picture_that_the_clip_shows(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/events/{event(1).id}")
    page.wait_for_selector("#player canvas[data-of]:not([data-of=''])", state="attached")
    for number in (0, 61, 130, 199):
        page.evaluate(
            """async (seconds) => {
              const video = document.querySelector('#player video');
              const seeked = new Promise((done) => video.addEventListener('seeked', done, {once: true}));
              video.currentTime = seconds;
              await seeked;
            }""",
            (number + 0.5) / RATE,
        )
        until(page, f"Math.abs(Number(document.querySelector('#player canvas').dataset.of || NaN) - {number / RATE}) < 0.01")
        picture, at, of = page.evaluate(NUMBER)
        assert (picture, round(at * RATE), round(float(of) * RATE)) == (number, number, number)
        left, right = page.evaluate(LEFT)
        assert (left, right) == pytest.approx((20 + number, 60 + number), abs=2)
    for layer in ("Masks", "Outlines", "Labels"):
        page.get_by_role("button", name=layer).click()
    assert page.evaluate(LEFT) is None, "it can be switched off"
    page.evaluate(
        "() => { const video = document.querySelector('#player video'); video.currentTime = 7.5; return video.play(); }"
    )
    until(page, "document.querySelector('#player video').ended")


def test_a_clip_that_the_browser_does_not_play_can_be_saved(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/events/{event(3).id}")
    until(page, "document.getElementById('clip-notice').textContent.startsWith('This browser does not play the clip (HEVC)')")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download the clip").click()
    assert saved.value.suggested_filename == f"gate-{event(3).id}.mp4"


def test_an_event_without_a_clip_says_so(page: Page, server: WebServer) -> None:
    page.goto(f"{server.url}/events/{event(5).id}")
    until(page, "document.getElementById('no-clip').textContent.startsWith('There is no clip')")
    assert page.locator("#began-utc").text_content() == "2026-01-01T00:00:05.250Z"
    assert page.get_by_label("Link").input_value() == page.url
    page.wait_for_selector("#snapshot:visible")
    page.get_by_role("button", name="Drawings").click()
    assert "clean=1" in (page.locator("#snapshot").get_attribute("src") or "")


@pytest.mark.parametrize(
    "page",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    ],
    ids=["light", "dark, phone"],
    indirect=True,
)
def test_nobody_is_left_out(page: Page, server: WebServer) -> None:
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    found: dict[str, Any] = {}
    for path, there in (("/events", "#events li:nth-child(48)"), (f"/events/{event(1).id}", "#clip:visible")):
        page.goto(f"{server.url}{path}")
        page.wait_for_selector(there)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.evaluate(axe + "; 0")  # not as a script element, which the page's policy keeps out
        violations = page.evaluate("axe.run(document)")["violations"]
        found[path] = [(each["id"], [node["target"] for node in each["nodes"]]) for each in violations]
    assert not any(found.values()), found
