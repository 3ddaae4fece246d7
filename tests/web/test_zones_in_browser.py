"""Zones drawn in a real browser, on the picture of a running camera."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.live.test_end_to_end import Process
from tests.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SETTINGS = """\
# The wall of the tests.
detector: tests.bright:Everything
web: 127.0.0.1:0
web_token: the-operator
web_view_token: the-viewer
cameras:
  gate:   # its object is always in the middle
    source: 'test:'
    zones:
      # nothing is ever there
      corner: {polygon: [[0, 0], [0.1, 0], [0.1, 0.1]]}
"""
CORNER = {"name": "corner", "points": [[0, 0], [0.1, 0], [0.1, 0.1]]}
REFUSED = "Failed to load resource: the server responded with a status of 4"
"""What Chromium itself writes where a server refuses something."""


class Run:
    """A run with one camera, and where it is."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "wall.yaml"
        self.file.write_text(SETTINGS, encoding="utf-8")
        self.process = Process(folder, "run", str(self.file))
        wait_until(lambda: "gate: running" in self.process.log, 60, what=lambda: self.process.log)
        found = re.search(r"cameras at (http://127\.0\.0\.1:\d+)", self.process.log)
        assert found is not None
        self.url = found[1]

    def zones(self) -> dict[str, Any]:
        bearer = {"Authorization": "Bearer the-viewer"}
        cameras = httpx.get(f"{self.url}/api/cameras", headers=bearer, timeout=30).json()["cameras"]
        return dict(cameras[0]["places"])

    def reset(self) -> None:
        """As it began, the file, too: what was added to it is taken out again."""
        zones, bearer = f"{self.url}/api/cameras/gate/zones", {"Authorization": "Bearer the-operator"}
        wait_until(lambda: not httpx.get(zones, headers=bearer, timeout=30).json()["why_not"], 60)
        told = httpx.get(zones, headers=bearer, timeout=30).json()
        said = {"version": told["version"], "zones": [CORNER], "lines": [], "save": True}
        httpx.put(zones, headers=bearer, json=said, timeout=30).raise_for_status()
        assert self.file.read_text(encoding="utf-8") == SETTINGS


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    started = Run(tmp_path_factory.mktemp("zones"))
    try:
        yield started
        assert "gate: ended" not in started.process.log, "zones were changed without a restart"
        started.process.process.send_signal(signal.SIGINT)
        started.process.wait(30)
    finally:
        started.process.end()


@pytest.fixture
def run(running: Run) -> Run:
    running.reset()
    return running


@pytest.fixture
def page(browser: Browser, run: Run, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page of zones, signed in to operate; at the end nothing may stand in its console."""
    said = getattr(request, "param", {})
    token = said.pop("token", "the-operator")
    page = browser.new_context(**said).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda it: None if it.url.startswith((run.url, "blob:", "data:")) else complaints.append(it.url))
    page.goto(f"{run.url}/login#token={token}")
    page.wait_for_url(f"{run.url}/")
    page.goto(f"{run.url}/zones")
    page.wait_for_selector("#picture canvas[data-number]", timeout=60_000)
    page.wait_for_selector("#list li")
    yield page
    page.context.close()
    assert [each for each in complaints if not each.startswith(REFUSED)] == []


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a share of the picture is on the page."""
    box = page.locator("#drawing").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def until(page: Page, happened: Callable[[], object]) -> None:
    def look() -> bool:
        page.wait_for_timeout(100)
        return bool(happened())

    wait_until(look, 60)


def drawn(page: Page, *points: tuple[float, float]) -> None:
    """A zone, drawn with the mouse and closed at its first corner."""
    page.get_by_role("button", name="New zone").click()
    for x, y in (*points, points[0]):
        page.mouse.click(*at(page, x, y))
    page.get_by_label("Name").wait_for()


def test_a_zone_drawn_with_the_mouse_is_counted_saved_and_loaded_again(page: Page, run: Run) -> None:
    drawn(page, (0.2, 0.2), (0.8, 0.2), (0.8, 0.9), (0.2, 0.9))
    page.get_by_label("Name").fill("middle")
    page.get_by_label("An object counts by").select_option("centre")
    page.get_by_label("Entered after").fill("0.2")
    page.get_by_role("button", name="Save in wall.yaml").click()
    page.wait_for_selector("#told:text('Saved in wall.yaml')")
    until(page, lambda: "1 inside · 1 entered" in (page.locator("#list li:nth-child(2)").text_content() or ""))
    assert run.zones()["zones"]["middle"]["entries"] == 1
    text = run.file.read_text(encoding="utf-8")
    assert text.startswith(SETTINGS)
    added = text.removeprefix(SETTINGS)
    numbers = [float(number) for number in re.findall(r"[\d.]+", added.partition("polygon:")[2].partition("\n")[0])]
    assert numbers == pytest.approx([0.2, 0.2, 0.8, 0.2, 0.8, 0.9, 0.2, 0.9], abs=0.005)
    assert "      middle:\n" in added
    assert "        count: centre\n        enter_after: 0.2\n" in added
    page.reload()
    page.wait_for_selector("#list li:nth-child(2)")
    assert page.locator("#list .called").all_text_contents() == ["corner", "middle"]


def test_corners_are_dragged_and_taken_back(page: Page, run: Run) -> None:
    drawn(page, (0.2, 0.2), (0.8, 0.2), (0.8, 0.9))
    page.mouse.move(*at(page, 0.8, 0.9))
    page.mouse.down()
    page.mouse.move(*at(page, 0.4, 0.6), steps=5)
    page.mouse.up()
    page.mouse.move(*at(page, 0.5, 0.2))  # the middle of a side: a new corner
    page.mouse.down()
    page.mouse.move(*at(page, 0.5, 0.1), steps=5)
    page.mouse.up()
    page.get_by_role("button", name="Show as YAML").click()
    page.wait_for_selector("#yaml-text")
    until(page, lambda: "zone 1" in page.get_by_label("YAML").input_value())
    polygon = page.get_by_label("YAML").input_value().rpartition("polygon:")[2]
    numbers = [float(number) for number in re.findall(r"[\d.]+", polygon)]
    assert numbers == pytest.approx([0.2, 0.2, 0.5, 0.1, 0.8, 0.2, 0.4, 0.6], abs=0.01)
    for _ in range(3):
        page.get_by_role("button", name="Undo").click()
    assert page.locator("#list li").count() == 1
    assert page.get_by_role("button", name="Save in").is_disabled()
    assert run.file.read_text(encoding="utf-8") == SETTINGS


@pytest.mark.parametrize("then", [(0.09, 0.05), (0.05, 0.9)], ids=["on another zone", "beside all zones"])
def test_what_is_typed_belongs_to_its_zone_though_a_click_leaves_it(page: Page, then: tuple[float, float]) -> None:
    drawn(page, (0.3, 0.3), (0.8, 0.3), (0.8, 0.9))
    page.get_by_label("Name").fill("typed")
    page.mouse.click(*at(page, *then))
    assert page.locator("#list .called").all_text_contents() == ["corner", "typed"]


def test_zones_that_were_not_told_are_asked_for_again(page: Page) -> None:
    page.route("**/api/cameras/gate/zones", lambda route: route.fulfill(status=404, body="not now"))
    page.reload()
    page.wait_for_selector("#problem:text('not now')")
    page.unroute_all()
    page.wait_for_selector("#list li")
    assert page.locator("#problem").text_content() == ""


def test_the_keyboard_is_enough(page: Page, run: Run) -> None:
    page.get_by_role("button", name="New zone").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # one in the middle
    assert page.evaluate("document.activeElement.id") == "name"
    page.keyboard.type("by hand")
    page.keyboard.press("Tab")
    page.get_by_label("An object counts by").select_option("centre")
    page.locator("[data-corner='0']").focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    label = page.locator("[data-corner='0']").get_attribute("aria-label")
    assert label == "corner 1 of by hand, 30.0 % from the left, 34.9 % from the top"
    assert page.evaluate("document.activeElement.dataset.corner") == "0"
    page.get_by_role("button", name="New line").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Turn").press("Enter")
    page.get_by_role("button", name="Use until the next start").press("Enter")
    page.wait_for_selector("#told:text('In use until the next start')")
    until(page, lambda: run.zones()["zones"]["by hand"]["inside"] == 1)
    assert list(run.zones()["lines"]) == ["line 1"]
    assert run.file.read_text(encoding="utf-8") == SETTINGS
    page.locator(".shape[data-shape='0']").focus()
    page.keyboard.press("Delete")
    assert page.locator("#list .called").all_text_contents() == ["by hand", "line 1"]
    page.get_by_role("button", name="Discard").press("Enter")
    until(page, lambda: page.locator("#list li").count() == 3)


@pytest.mark.parametrize(
    "page", [{"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}], indirect=True
)
def test_a_finger_draws_on_a_phone(page: Page, run: Run) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="New line").tap()
    for x in (0.1, 0.9):
        page.touchscreen.tap(*at(page, x, 0.5))
    page.get_by_label("Name").wait_for()
    box = page.locator("[data-corner='1']").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    finger = page.context.new_cdp_session(page)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 9):
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - 8 * step}]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    label = "[data-corner='1'][aria-label*=' 90.0 % from the left']:not([aria-label*=' 50.0 % from the top'])"
    page.wait_for_selector(label, state="attached")
    # Not by another tap: one that follows a drag within milliseconds ends its fling in Chromium, and is no click.
    page.get_by_role("button", name="Save in wall.yaml").click()
    page.wait_for_selector("#told:text('Saved in wall.yaml')")
    wait_until(lambda: list(run.zones()["lines"]) == ["line 1"])  # counted from the next frame on
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_what_cannot_be_is_said_in_words_and_another_page_is_not_overwritten(page: Page, run: Run) -> None:
    other = page.context.new_page()
    other.goto(f"{run.url}/zones?camera=gate")
    other.wait_for_selector("#list li")
    drawn(page, (0.2, 0.2), (0.8, 0.8), (0.8, 0.2), (0.2, 0.8))
    with page.expect_response(lambda answer: answer.request.method == "PUT") as answered:
        page.get_by_role("button", name="Save in").click()
    assert answered.value.status == 400
    page.wait_for_selector("#problem:text('its edges cross')")
    page.get_by_role("button", name="Delete").click()
    drawn(page, (0.2, 0.2), (0.8, 0.2), (0.8, 0.8))
    page.get_by_role("button", name="Save in").click()
    page.wait_for_selector("#told:text('Saved in')")
    drawn(other, (0.3, 0.3), (0.6, 0.3), (0.6, 0.6))
    other.get_by_role("button", name="Save in").click()
    other.wait_for_selector("#problem:text('Somebody else has changed')")
    assert run.file.read_text(encoding="utf-8").count("polygon") == 2


def test_the_wall_draws_them_unless_a_viewer_wants_none(page: Page, run: Run) -> None:
    page.goto(run.url)
    page.get_by_role("button", name="gate, enlarge").click()
    page.wait_for_selector("#large canvas[data-number]:not([data-number=''])", timeout=60_000)
    page.get_by_role("button", name="Freeze").click()
    page.wait_for_timeout(500)
    # The object is in the middle, the zone in the corner, with its name and count.
    look = """() => {
        const shown = document.querySelector('#large canvas');
        const [width, height] = [0.3 * shown.width, 0.2 * shown.height];
        const copy = new OffscreenCanvas(width, height).getContext('2d', {willReadFrequently: true});
        copy.drawImage(shown, 0, 0);
        return copy.getImageData(0, 0, width, height).data.reduce((sum, each) => sum + each, 0);
    }"""
    with_zones = page.evaluate(look)
    page.get_by_role("button", name="Zones", exact=True).click()
    without = page.evaluate(look)
    assert with_zones != without
    page.get_by_role("button", name="Zones", exact=True).click()
    assert page.evaluate(look) == with_zones
    page.get_by_role("link", name="Edit zones").click()
    page.wait_for_url("**/zones?camera=gate")


@pytest.mark.parametrize("page", [{"token": "the-viewer"}], indirect=True)
def test_who_may_look_only_sees_them_and_changes_nothing(page: Page, run: Run) -> None:
    assert page.get_by_role("button", name="New zone").is_disabled()
    assert not page.locator("#saving").is_visible()
    assert "look only" in (page.locator("#told").text_content() or "")
    bearer = {"Authorization": "Bearer the-viewer"}
    zones = f"{run.url}/api/cameras/gate/zones"
    assert httpx.put(zones, headers=bearer, json={}).status_code == 403
    assert httpx.post(f"{zones}/yaml", headers=bearer, json={}).status_code == 403


@pytest.mark.parametrize("page", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True)
def test_nobody_is_left_out(page: Page) -> None:
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    drawn(page, (0.2, 0.2), (0.8, 0.2), (0.8, 0.9))
    page.get_by_role("button", name="Show as YAML").click()
    page.get_by_label("YAML").wait_for()
    page.evaluate(axe + "; 0")  # not as a script element, which the page's policy keeps out
    violations = page.evaluate("axe.run(document)")["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in violations] == []


def test_requests_that_make_no_sense_are_answered_in_a_line(run: Run) -> None:
    bearer = {"Authorization": "Bearer the-operator"}
    zones = f"{run.url}/api/cameras/gate/zones"
    version = httpx.get(zones, headers=bearer).json()["version"]
    for body in ("", "[]", "{", "{}", f'{{"version": "{version}"}}', f'{{"version": "{version}", "zones": 1, "lines": []}}'):
        answer = httpx.put(zones, headers=bearer, content=body)
        assert answer.status_code in (400, 409), body
        assert answer.text.count("\n") == 1
    assert httpx.get(f"{run.url}/api/cameras/nobody/zones", headers=bearer).status_code == 404
    assert httpx.put(zones, headers=bearer | {"Origin": "http://evil.example"}, json={}).status_code == 403
