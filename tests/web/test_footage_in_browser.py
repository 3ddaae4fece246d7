"""What was recorded, played on the time line of a day in a real browser."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from streamer.live.status import CameraStatus
from streamer.sinks.retention import segment_name
from streamer.stages import State
from streamer.web.access import Access
from streamer.web.event_library import EventCamera
from streamer.web.footage import FootageCamera, FootageLibrary
from streamer.web.server import WebServer
from streamer.web.wall import Wall, wall_app
from tests.events.happenings import START_UTC
from tests.waiting import wait_until
from tests.web.happened import CLIP_S, NOTHING, write_clip, write_events

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

STARTS = (0, CLIP_S, 600)
"""When the segments begin, seconds after ``START_UTC``: the second follows the first, the third comes later."""

NUMBER = """() => {
  const video = document.getElementById('video');
  if (video.readyState < 2) return -1;
  const strip = new OffscreenCanvas(128, 16).getContext('2d', {willReadFrequently: true});
  strip.drawImage(video, 0, video.videoHeight - 16, 128, 16, 0, 0, 128, 16);
  const row = strip.getImageData(0, 8, 128, 1).data;
  let shown = 0;
  for (let bit = 0; bit < 8; bit++) shown |= (row[4 * (16 * bit + 8)] > 128) << bit;
  return shown;
}"""
"""Which picture of its file is shown."""


def name(seconds: float) -> str:
    return segment_name("gate", datetime.fromtimestamp(START_UTC + seconds, UTC))


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(START_UTC + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    for start in STARTS:
        write_clip(folder / name(start), START_UTC + start)
        os.utime(folder / name(start), (START_UTC + start + CLIP_S,) * 2)
    (folder / "gate-secret.txt").write_text("not yours", encoding="utf-8")
    return folder


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[WebServer]:
    def told() -> list[dict[str, object]]:
        names = ("gate", "yard")
        return [
            CameraStatus(name=name, source="", state=State.RUNNING, state_s=1.0, since_utc_s=0.0).as_dict() for name in names
        ]

    footage = {"gate": FootageCamera(folder), "yard": FootageCamera(None, "The recordings stay on the machine.")}
    events = {"gate": EventCamera(tmp_path / "events")}
    wall, access = Wall([]), Access(host="127.0.0.1")
    with (
        write_events(tmp_path / "events", 6),
        WebServer("0", lambda: wall_app(wall, access, NOTHING, told, events, footage=footage)) as server,
    ):
        yield server
    wall.close()


@pytest.fixture
def page(browser: Browser, server: WebServer, request: pytest.FixtureRequest) -> Iterator[Page]:
    page = browser.new_context(timezone_id="UTC", **getattr(request, "param", {})).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{server.url}/footage?camera=gate&at={moment(3)}")
    until(page, lambda: page.evaluate(NUMBER) >= 0)
    yield page
    page.context.close()
    assert complaints == []


def until(page: Page, happened: Callable[[], object]) -> None:
    def look() -> bool:
        page.wait_for_timeout(100)
        return bool(happened())

    wait_until(look, 60)


def shows(page: Page, seconds: float) -> None:
    """The picture of that time is shown, the times beside it say so."""
    start = max(start for start in STARTS if start <= seconds)
    until(page, lambda: abs(page.evaluate(NUMBER) - round(25 * (seconds - start))) <= 1)
    assert name(start) in page.evaluate("video.currentSrc")
    assert page.locator("#day").get_attribute("aria-valuenow") == str(round(START_UTC + seconds))


def test_a_link_leads_to_its_moment_and_files_follow_each_other(page: Page, server: WebServer) -> None:
    shows(page, 3)
    assert page.get_by_label("Link").input_value() == f"{server.url}/footage?{httpx.QueryParams(camera='gate', at=moment(3))}"
    page.goto(f"{server.url}/footage?camera=gate&at={moment(7)}")
    until(page, lambda: page.evaluate(NUMBER) >= 0)
    page.evaluate("video.play()")
    until(page, lambda: name(CLIP_S) in page.evaluate("video.currentSrc"))
    until(page, lambda: page.evaluate("video.currentTime") > 0.3)
    assert page.locator("#notice").text_content() == ""
    save = page.locator("#save")
    assert (save.get_attribute("href") or "").endswith(f"{name(CLIP_S)}?download=1")


def test_what_was_not_recorded_is_passed_over_and_said(page: Page) -> None:
    page.locator("#hour").focus()
    page.keyboard.press("ArrowRight")
    shows(page, 13)
    page.keyboard.press("ArrowRight")
    shows(page, 600)
    assert "Nothing was recorded here" in (page.locator("#notice").text_content() or "")
    assert "nothing recorded" not in (page.locator("#day").get_attribute("aria-valuetext") or "")
    page.keyboard.press("Shift+ArrowLeft")
    until(page, lambda: "Nothing was recorded here" in (page.locator("#notice").text_content() or ""))
    page.keyboard.press("End")
    until(page, lambda: "from here on" in (page.locator("#notice").text_content() or ""))


def test_the_bar_is_dragged_and_events_are_gone_to(page: Page) -> None:
    box = page.locator("#hour").bounding_box()
    assert box is not None
    left = float(page.locator("#hour").get_attribute("aria-valuemin") or 0)
    at = box["x"] + box["width"] * (START_UTC + 604 - left) / 3600
    page.mouse.move(at - 30, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(at, box["y"] + 10, steps=4)
    page.mouse.up()
    until(page, lambda: name(600) in page.evaluate("video.currentSrc"))
    assert abs(float(page.locator("#day").get_attribute("aria-valuenow") or 0) - START_UTC - 604) <= 5
    page.get_by_role("button", name="Event before").click()
    until(page, lambda: name(0) in page.evaluate("video.currentSrc"))
    assert page.locator("#events li").count() == 3, "those of this camera"
    assert page.locator("#day .happened").count() == 3
    page.locator("#events a").first.click()
    page.wait_for_url("**/events/*")


def test_a_day_without_footage_and_a_camera_that_shows_none(page: Page) -> None:
    page.get_by_role("button", name="The day before").click()
    page.wait_for_selector("#problem:text('Nothing was recorded on this day')")
    assert not page.get_by_role("link", name="Download").is_visible()
    page.get_by_label("Camera").select_option("yard")
    page.wait_for_selector("#problem:text('stay on the machine')")
    assert page.evaluate("video.currentSrc") == "" or not page.locator("#video").get_attribute("src")


@pytest.mark.parametrize(
    "page",
    [
        {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
        {"color_scheme": "dark"},
    ],
    indirect=True,
)
def test_nobody_is_left_out(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(axe + "; 0")  # not as a script element, which the page's policy keeps out
    violations = page.evaluate("axe.run(document)")["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in violations] == []


def test_only_segments_of_that_camera_are_given_and_in_parts(server: WebServer, folder: Path) -> None:
    footage = f"{server.url}/api/cameras/gate/footage"
    told = httpx.get(footage, params={"from": START_UTC - 10, "to": START_UTC + 700}).json()
    assert [(each["name"], round(each["from"] - START_UTC), round(each["to"] - START_UTC)) for each in told["segments"]] == [
        (name(start), start, start + CLIP_S) for start in STARTS
    ]
    assert [
        each["name"] for each in httpx.get(footage, params={"from": START_UTC + 9, "to": START_UTC + 10}).json()["segments"]
    ] == [name(CLIP_S)]
    part = httpx.get(f"{footage}/{name(0)}", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, (folder / name(0)).read_bytes()[100:200])
    saved = httpx.get(f"{footage}/{name(0)}?download=1").headers["Content-Disposition"]
    assert saved == f'attachment; filename="{name(0)}"'
    (folder / "gate-20200101T000000Z.mp4").symlink_to("/etc/hostname")
    others = (
        "gate-secret.txt",
        "..%2fgate-secret.txt",
        "gate-20200101T000000Z.mp4",
        name(1),
        "%2e%2e",
        "gate-20200101T000000Z.mp4%00",
    )
    for other in others:
        assert httpx.get(f"{footage}/{other}").status_code == 404, other
    assert httpx.get(f"{server.url}/api/cameras/yard/footage/{name(0)}").status_code == 404
    assert httpx.get(f"{server.url}/api/cameras/nobody/footage").status_code == 404
    for wrong in ({"from": "x"}, {"from": 5, "to": 1}, {"from": 0, "to": 9e9}, {"from": "nan", "to": "inf"}):
        assert httpx.get(footage, params=wrong).status_code == 400


def test_a_file_that_was_copied_ends_where_the_next_one_begins(tmp_path: Path) -> None:
    for start in (0, 60, 120):
        (tmp_path / name(start)).touch()  # now, which is years later
    library = FootageLibrary({"gate": FootageCamera(tmp_path)})

    def told(since: float, until: float) -> list[tuple[int, int]]:
        found = library.segments("gate", START_UTC + since, START_UTC + until)
        return [(round(each.start_utc_s - START_UTC), round(each.end_utc_s - START_UTC)) for each in found]

    assert told(0, 30) == [(0, 60)]
    assert told(70, 1000) == [(60, 120), (120, 121)]
    assert told(80_000, 86_000) == []
    assert told(-1e11, -1e11 + 1) == []
