"""The wall in a real browser."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import httpx
import numpy as np
import pytest

from tests.live.test_end_to_end import Process
from tests.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a run of two cameras shows them."""
    folder = tmp_path_factory.mktemp("wall")
    file = folder / "wall.yaml"
    file.write_text(
        "detector: tests.bright:Bright\nweb: 0\ncameras:\n"
        f"  gate:\n    source: {SAMPLES / 'pedestrians.mp4'}\n    live: true\n    loop: true\n"
        "    privacy_zones: ['0,0 0.3,0 0.3,0.3 0,0.3']\n"
        "  test: {source: 'test:'}\n",
        encoding="utf-8",
    )
    process = Process(folder, "run", str(file))
    try:
        wait_until(lambda: "cameras at http" in process.log, 60)
        found = re.search(r"cameras at (http://127\.0\.0\.1:\d+)", process.log)
        assert found is not None
        yield found[1]
        process.process.send_signal(signal.SIGINT)
        process.wait(30)
    finally:
        process.end()


def opened(browser: Browser, wall: str, **context: Any) -> tuple[Page, list[str]]:
    """The wall with pictures of both cameras, and what the browser complained of."""
    page = browser.new_context(**context).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request", lambda request: None if request.url.startswith((wall, "blob:", "data:")) else complaints.append(request.url)
    )
    page.goto(wall)
    for number in (1, 2):
        page.wait_for_selector(f"#wall li:nth-child({number}) canvas[data-number]", timeout=60_000)
    return page, complaints


def number(page: Page, canvas: str) -> int:
    return int(page.locator(canvas).get_attribute("data-number") or 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_cameras_are_there_and_pictures_go_on(browser: Browser, wall: str, scheme: str) -> None:
    page, complaints = opened(browser, wall, color_scheme=scheme)
    later = number(page, "#wall li:nth-child(1) canvas") + 3

    def goes_on() -> bool:
        page.wait_for_timeout(100)
        return number(page, "#wall li:nth-child(1) canvas") > later

    wait_until(goes_on, 30)
    assert page.locator("#wall h2").all_text_contents() == ["gate", "test"]
    assert complaints == []
    page.context.close()


def test_on_a_phone_it_is_as_wide_as_the_screen_and_one_is_enlarged(browser: Browser, wall: str) -> None:
    page, complaints = opened(browser, wall, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("#wall li:nth-child(2) .open").tap()
    page.wait_for_selector("#large[open] canvas[data-number]", timeout=60_000)
    assert page.locator("#large-name").text_content() == "test"
    assert page.evaluate("document.querySelector('#large').scrollWidth") <= 390
    masks = page.get_by_role("button", name="Masks")
    assert masks.get_attribute("aria-pressed") == "true"
    masks.tap()
    assert masks.get_attribute("aria-pressed") == "false"
    page.get_by_role("button", name="Freeze").tap()
    page.wait_for_timeout(300)
    frozen = number(page, "#large canvas")
    page.wait_for_timeout(700)
    assert number(page, "#large canvas") == frozen
    page.get_by_role("button", name="Close").tap()
    assert not page.locator("#large").is_visible()
    assert complaints == []
    page.context.close()


def test_the_keyboard_is_enough(browser: Browser, wall: str) -> None:
    page, complaints = opened(browser, wall)
    page.locator("#wall li:nth-child(1) .open").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#large[open] canvas[data-number]", timeout=60_000)
    page.keyboard.press("ArrowRight")
    assert page.locator("#large-name").text_content() == "test"
    page.keyboard.press("Escape")
    assert not page.locator("#large").is_visible()
    assert complaints == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_left_out(browser: Browser, wall: str, scheme: str) -> None:
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page, _ = opened(browser, wall, color_scheme=scheme)
    found = {}
    for name, path in (("wall", "/"), ("large", "/"), ("login", "/login")):
        page.goto(f"{wall}{path}")
        if path == "/":
            page.wait_for_selector("#wall li:nth-child(2) canvas[data-number]", timeout=60_000)
        if name == "large":
            page.locator("#wall li:nth-child(2) .open").click()
            page.wait_for_selector("#large[open] canvas[data-number]", timeout=60_000)
        page.evaluate(axe + "; 0")  # not as a script element, which the page's policy keeps out
        violations = page.evaluate("axe.run(document)")["violations"]
        found[name] = [(each["id"], [node["target"] for node in each["nodes"]]) for each in violations]
    assert found == {"wall": [], "large": [], "login": []}
    page.context.close()


def test_other_programs_get_pictures_too(wall: str) -> None:
    snapshot = httpx.get(f"{wall}/api/cameras/gate/snapshot.jpg?drawn=1", timeout=30)
    assert snapshot.content.startswith(b"\xff\xd8")
    clean = httpx.get(f"{wall}/api/cameras/gate/snapshot.jpg", timeout=30)
    picture = cv2.imdecode(np.frombuffer(clean.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture[:150, :200].std() < 3, "what privacy covers is covered"
    assert picture[200:].std() > 20
    with httpx.stream("GET", f"{wall}/api/cameras/gate/mjpeg", timeout=30) as stream:
        assert stream.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=picture"
        parts = b""
        for data in stream.iter_bytes():
            parts += data
            if parts.count(b"--picture") >= 3:
                break
    assert parts.count(b"\xff\xd8\xff") >= 2
    assert httpx.get(f"{wall}/api/cameras/nobody/snapshot.jpg").status_code == 404
    assert {camera["name"] for camera in httpx.get(f"{wall}/api/cameras").json()["cameras"]} == {"gate", "test"}
