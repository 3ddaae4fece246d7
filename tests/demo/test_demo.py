"""The webcam demo in a real browser, whose camera is a file of pictures."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import httpx
import numpy as np
import pytest

from tests.chromium import Launch, chromium
from tests.live.test_end_to_end import Process
from tests.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("aiortc")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

FAKE = "--use-fake-device-for-media-stream"
SAMPLE = Path(__file__).parents[2] / "samples" / "pedestrians.mp4"


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    with chromium() as launch:
        yield launch


@pytest.fixture(scope="module")
def browser(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One whose camera shows a grey version of a sample, so that all colour in what comes back was drawn."""
    clip = tmp_path_factory.mktemp("camera") / "grey.mjpeg"
    with av.open(str(SAMPLE)) as sample, clip.open("wb") as file:
        for _, picture in zip(range(15), sample.decode(video=0), strict=False):
            grey = cv2.cvtColor(cv2.resize(picture.to_ndarray(format="gray"), (640, 480)), cv2.COLOR_GRAY2BGR)
            file.write(cv2.imencode(".jpg", grey)[1].tobytes())
    started = launch(FAKE, "--use-fake-ui-for-media-stream", f"--use-file-for-fake-video-capture={clip}")
    yield started
    started.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the demo is, for two browsers, with a detector that finds an object in the middle of each picture."""
    options = ("--port", "0", "--detector", "tests.bright:Everything", "--sessions", "2", "--upload-mb", "1")
    process = Process(tmp_path_factory.mktemp("demo"), "web", *options)
    try:
        wait_until(lambda: "open http" in process.log or process.process.poll() is not None, 60, what=lambda: process.log)
        found = re.search(r"open (http://127\.0\.0\.1:\d+)", process.log)
        assert found is not None, process.log
        yield found[1]
        process.process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert "Traceback" not in process.log
    finally:
        process.end()


def opened(browser: Browser, demo: str, **context: Any) -> tuple[Page, list[str]]:
    """The page, ready, and what the browser complained of."""
    page = browser.new_context(**context).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith((demo, "blob:")) else complaints.append(request.url))
    page.goto(demo)
    page.wait_for_selector("#state:text('ready')")
    return page, complaints


def end(page: Page) -> None:
    if page.locator("#stop").is_visible():
        page.locator("#stop").click()
        page.wait_for_selector("#state:text('ready')")
    page.context.close()


def edge(page: Page) -> int:
    """How colourful the picture that is shown is where the left edge of the object in its middle lies: about 0 for grey."""
    look = """() => {
        const shown = document.getElementById('shown');
        const [width, height] = [shown.videoWidth, shown.videoHeight];
        const context = new OffscreenCanvas(width, height).getContext('2d');
        context.drawImage(shown, 0, 0);
        const { data } = context.getImageData(0.25 * width, 0.5 * height, 0.1 * width, 1);
        let most = 0;
        for (let at = 0; at < data.length; at += 4) {
            const seen = data.slice(at, at + 3);
            most = Math.max(most, Math.max(...seen) - Math.min(...seen));
        }
        return most;
    }"""
    return int(page.evaluate(look))


def shows(page: Page, source: str) -> None:
    page.locator(f"#{source}").click()
    page.wait_for_selector("#shown[data-pictures]", timeout=60_000)


def until(page: Page, happened: Any) -> None:
    def look() -> bool:
        page.wait_for_timeout(100)
        return bool(happened())

    wait_until(look, 60)


def test_the_camera_comes_back_with_what_was_found_and_options_change_it_at_once(browser: Browser, demo: str) -> None:
    page, complaints = opened(browser, demo)
    shows(page, "camera")
    until(page, lambda: edge(page) > 40)
    assert page.evaluate("[shown.videoWidth, shown.videoHeight]") == [640, 480]
    until(page, lambda: re.fullmatch(r"\d+ ms", page.locator("#trip").text_content() or ""))
    until(page, lambda: re.match(r"\d+ ms", page.locator("#detector-ms").text_content() or ""))
    page.get_by_label("outlines").uncheck()
    page.get_by_label("masks").uncheck()
    page.get_by_label("labels").uncheck()
    until(page, lambda: edge(page) < 25)
    page.get_by_label("boxes").check()
    until(page, lambda: edge(page) > 40)
    page.get_by_label("Classes").fill("zebra crossing")
    page.get_by_label("Classes").blur()
    page.wait_for_selector("#problem:text('zebra crossing')")
    page.locator("#stop").click()
    page.wait_for_selector("#state:text('ready')")
    assert complaints == []
    end(page)


def test_two_at_once_and_a_third_is_asked_to_come_again(browser: Browser, demo: str) -> None:
    first, second, third = (opened(browser, demo)[0] for _ in range(3))
    shows(first, "test")
    shows(second, "camera")
    third.locator("#test").click()
    third.wait_for_selector("#problem:text('Please come again')")
    until(first, lambda: first.locator("#guests").text_content() == "2 of 2")
    end(second)
    shows(third, "test")
    end(first)
    end(third)


def test_a_clip_is_played_and_what_is_none_is_refused(browser: Browser, demo: str, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 322, 242, "yuv420p"
        for shade in range(20):
            picture = np.full((242, 322, 3), 60 + shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    page, _ = opened(browser, demo)
    page.locator("#clip").set_input_files(clip)
    page.wait_for_selector("#shown[data-pictures]", timeout=60_000)
    until(page, lambda: edge(page) > 20)
    assert page.evaluate("[shown.videoWidth, shown.videoHeight]") == [322, 242]
    page.locator("#clip").set_input_files({"name": "list.m3u8", "mimeType": "video/mp4", "buffer": b"#EXTM3U\n/etc/passwd\n"})
    page.wait_for_selector("#problem:text('no clip that can be played')")
    page.locator("#clip").set_input_files({"name": "large.mp4", "mimeType": "video/mp4", "buffer": b"x" * 1_000_001})
    page.wait_for_selector("#problem:text('1 MB at most')")
    end(page)


def test_without_a_camera_the_page_says_why(launch: Launch, demo: str) -> None:
    plain = launch()
    page, _ = opened(plain, demo)
    page.locator("#camera").click()
    page.wait_for_selector("#problem:text('no camera here')")
    plain.close()
    refusing = launch(FAKE)
    page, _ = opened(refusing, demo)
    page.locator("#camera").click()
    page.wait_for_selector("#problem:text('was refused')")
    page.add_init_script("delete Navigator.prototype.mediaDevices")
    page.reload()
    page.wait_for_selector("#problem:text('--tls-cert')")
    assert page.locator("#camera").is_disabled()
    refusing.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_left_out_on_a_phone_either(browser: Browser, demo: str, scheme: str) -> None:
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page, complaints = opened(browser, demo, color_scheme=scheme, viewport={"width": 390, "height": 844}, is_mobile=True)
    shows(page, "camera")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.evaluate(axe + "; 0")  # not as a script element, which the page's policy keeps out
    violations = page.evaluate("axe.run(document)")["violations"]
    assert [(found["id"], [node["target"] for node in found["nodes"]]) for found in violations] == []
    assert complaints == []
    end(page)


def test_requests_that_make_no_sense_are_answered_in_a_line(demo: str) -> None:
    sessions = f"{demo}/api/demo/sessions"
    for body in (
        "",
        "[]",
        "{",
        '{"sdp": 1}',
        '{"sdp": "v=0"}',
        '{"sdp": "", "source": "/etc/passwd"}',
        '{"sdp": "", "choice": 3}',
    ):
        answer = httpx.post(sessions, content=body)
        assert answer.status_code == 400, body
        assert answer.text.count("\n") == 1
    assert httpx.get(f"{sessions}/nobody").status_code == 404
    assert httpx.delete(f"{sessions}/nobody").status_code == 200  # it has gone already
    assert httpx.post(sessions, content="x" * 200_000).status_code == 413
    assert httpx.post(sessions, content="{}", headers={"Origin": "http://elsewhere.example"}).status_code == 403
