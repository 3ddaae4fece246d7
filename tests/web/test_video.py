"""A camera's own packets in a real browser: which picture is on the page, and what is drawn over it."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from streamer.web.feed import PRIVATE
from tests.camera import Camera
from tests.live.test_end_to_end import Process
from tests.rtsp import why_not
from tests.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
]

GOP = 250
"""Ten seconds: who comes in between must not wait for the next key frame."""
TICKS = 3600
"""Of the stamps, from one picture to the next."""

READ = """async ({canvas, count}) => {
  const element = document.querySelector(canvas), found = [];
  const until = performance.now() + 20000;
  const strip = new OffscreenCanvas(128, 16).getContext('2d', {willReadFrequently: true});
  let before = '';
  while (found.length < count && performance.now() < until) {
    await new Promise(requestAnimationFrame);
    const {stamp, pictureStamp} = element.dataset;
    if (!stamp || !pictureStamp || pictureStamp === before) continue;
    before = pictureStamp;
    strip.drawImage(element, 0, element.height - 16, 128, 16, 0, 0, 128, 16);
    const row = strip.getImageData(0, 8, 128, 1).data;
    let shown = 0;
    for (let bit = 0; bit < 8; bit++) shown |= (row[4 * (16 * bit + 8)] > 128) << bit;
    found.push([shown, Number(pictureStamp), Number(stamp)]);
  }
  return found;
}"""


SPREAD = """parts => parts.map(([x, y, w, h]) => {
  const element = document.querySelector('#large canvas'), {width, height} = element;
  const {data} = element.getContext('2d').getImageData(x * width, y * height, w * width, h * height);
  const found = data.filter((_, i) => i % 4 === 1);
  const mean = found.reduce((sum, each) => sum + each, 0) / found.length;
  return Math.sqrt(found.reduce((sum, each) => sum + (each - mean) ** 2, 0) / found.length);
})"""


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a run shows cameras: as it is, with pictures that are shown later than sent, with another codec, with privacy."""
    folders = [tmp_path_factory.mktemp(name) for name in ("wall", "plain", "reordered", "mjpeg")]
    plain, reordered = Camera(folders[1], gop=GOP), Camera(folders[2], "h264, reordered", gop=GOP)
    mjpeg = Camera(folders[3], "mjpeg")
    cameras = (plain, reordered, mjpeg)
    for camera in cameras:
        camera.start()
    file = folders[0] / "wall.yaml"
    file.write_text(
        "detector: tests.bright:Bright\nweb: 0\ncameras:\n"
        f"  plain: {{source: '{plain.url}'}}\n"
        f"  reordered: {{source: '{reordered.url}'}}\n"
        f"  mjpeg: {{source: '{mjpeg.url}'}}\n"
        f"  covered: {{source: '{plain.url}', privacy_zones: ['0,0 0.3,0 0.3,0.3 0,0.3']}}\n",
        encoding="utf-8",
    )
    process = Process(folders[0], "run", str(file))
    try:
        wait_until(lambda: "cameras at http" in process.log, 60, what=lambda: process.log)
        found = re.search(r"cameras at (http://127\.0\.0\.1:\d+)", process.log)
        assert found is not None
        url = found[1]
        wait_until(lambda: all(is_known(told(url, name)) for name in ("plain", "reordered", "covered", "mjpeg")), 60)
        yield url
        process.process.send_signal(signal.SIGINT)
        process.wait(30)
    finally:
        process.end()
        for camera in cameras:
            camera.stop()


def is_known(camera: dict[str, Any]) -> bool:
    """Whether it is settled how a page shows it: until a camera's packets have come it is by what is encoded, or by JPEG."""
    return bool(camera["video"]) and "no packets of it have come" not in (camera["encoded"], camera["why_not"])


def told(url: str, name: str) -> dict[str, Any]:
    cameras = httpx.get(f"{url}/api/cameras", timeout=30).json()["cameras"]
    return next((camera for camera in cameras if camera["name"] == name), {"video": "", "encoded": "", "why_not": ""})


SEAM = 512 - 500
"""After 500 pictures the camera begins again, and numbers are counted modulo 256."""
PATIENT = "const wait = setTimeout; window.setTimeout = (what, ms) => wait(what, ms === 3000 ? 60000 : ms);"
"""For a machine that is too busy to show a picture within three seconds."""


def opened(browser: Browser, url: str, name: str, script: str = "") -> tuple[Page, list[str]]:
    """The large view of a camera, and what the browser complained of; ``script`` runs before the page's own."""
    page = browser.new_context().new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    if script:
        page.add_init_script(script)
    page.goto(url)
    page.get_by_role("button", name=f"{name}, enlarge").click()
    page.wait_for_selector("#large canvas[data-number]:not([data-number=''])", timeout=60_000)
    return page, complaints


NO_WEBRTC = "delete window.RTCPeerConnection;"
LATE = """
const ask = HTMLVideoElement.prototype.requestVideoFrameCallback;
let count = 0;
HTMLVideoElement.prototype.requestVideoFrameCallback = function (call) {
  return ask.call(this, (...told) => count++ % 3 ? call(...told) : setTimeout(() => call(...told), 100));
};
"""
"""Every third call for a picture comes when there are newer ones."""


@pytest.mark.parametrize(
    ("name", "script", "way"),
    [
        ("plain", "", "WebRTC"),
        ("plain", LATE, "WebRTC"),
        ("plain", NO_WEBRTC, "MSE (this browser has no WebRTC, or it is switched off)"),
        ("covered", "", f"WebRTC, encoded ({PRIVATE})"),
        ("covered", NO_WEBRTC, f"MSE, encoded ({PRIVATE}; this browser has no WebRTC, or it is switched off)"),
        ("mjpeg", "", "WebRTC, encoded (the camera sends mjpeg, which browsers do not play)"),
        ("reordered", "", "MSE (its pictures are sent in another order than they are shown, which WebRTC does not carry)"),
    ],
    ids=["WebRTC", "WebRTC, late", "MSE", "privacy", "privacy by MSE", "another codec", "reordered"],
)
def test_what_is_drawn_is_of_the_very_picture_that_is_shown(
    browser: Browser, wall: str, name: str, script: str, way: str
) -> None:
    page, complaints = opened(browser, wall, name, PATIENT + script)
    assert page.locator("#way").text_content() == way
    for layer in ("Masks", "Outlines", "Labels"):  # they would lie over the number
        page.get_by_role("button", name=layer).click()
    found = page.evaluate(READ, {"canvas": "#large canvas", "count": 40})
    assert len(found) == 40
    offsets = {(round(picture / TICKS) - shown) % 256 for shown, picture, _ in found}
    assert len(offsets) == 1 or {(first - other) % 256 for first in offsets for other in offsets} == {0, SEAM, 256 - SEAM}, (
        found
    )
    # Where the machine is too slow to look at a picture, what was in an earlier one is drawn; never what is in a later one.
    assert all(known <= picture for _, picture, known in found), found
    assert any(known == picture for _, picture, known in found), found
    assert complaints == []
    page.context.close()


def test_pictures_come_by_plain_http_too(browser: Browser, wall: str) -> None:
    page, complaints = opened(browser, wall, "plain", PATIENT + "delete window.VideoFrame")
    assert page.locator("#way").text_content() == "WebRTC"
    # A page that is late may find a newer picture than it was told of, and cannot know: often, while a machine is busy.
    for _ in range(6):
        found = page.evaluate(READ, {"canvas": "#large canvas", "count": 40})
        offsets = Counter((round(picture / TICKS) - shown) % 256 for shown, picture, _ in found)
        if offsets.most_common(1)[0][1] >= 20:
            break
    assert offsets.most_common(1)[0][1] >= 20, found
    assert complaints == []
    page.context.close()


@pytest.mark.parametrize(
    ("name", "script", "why"),
    [
        ("plain", NO_WEBRTC + "delete window.MediaSource", "this browser has no Media Source Extensions"),
        ("plain", NO_WEBRTC + "MediaSource.isTypeSupported = () => false", "this browser does not play avc1"),
        (
            "plain",
            NO_WEBRTC + "SourceBuffer.prototype.appendBuffer = () => { throw Error('full') }",
            "it cannot be played: full",
        ),
        ("plain", NO_WEBRTC + "SourceBuffer.prototype.appendBuffer = () => {}", "its video did not begin within 3 s"),
        ("covered", NO_WEBRTC + "delete window.MediaSource", PRIVATE),
    ],
    ids=["no MSE", "no codec", "refused", "silent", "privacy"],
)
def test_where_the_video_cannot_be_played_pictures_come_and_the_page_says_why(
    browser: Browser, wall: str, name: str, script: str, why: str
) -> None:
    page, complaints = opened(browser, wall, name, script)
    said = page.locator("#way").text_content() or ""
    assert said.startswith("JPEG (")
    assert why in said
    assert len(page.evaluate(READ, {"canvas": "#large canvas", "count": 3})) == 3
    assert complaints == []
    page.context.close()


@pytest.mark.parametrize("script", ["", NO_WEBRTC], ids=["WebRTC", "MSE"])
def test_of_a_camera_with_privacy_only_the_covered_picture_leaves(browser: Browser, wall: str, script: str) -> None:
    assert told(wall, "covered")["encoded"] == PRIVATE
    page, _ = opened(browser, wall, "covered", PATIENT + script)
    for layer in ("Masks", "Outlines", "Labels"):
        page.get_by_role("button", name=layer).click()
    later = page.locator("#large canvas").get_attribute("data-number")
    page.wait_for_function("later => document.querySelector('#large canvas').dataset.number > later", arg=later)
    spread = page.evaluate(SPREAD, [[0.05, 0.05, 0.2, 0.15], [0.5, 0.05, 0.2, 0.15]])
    assert spread[0] < 6, "what is covered has nothing in it"
    assert spread[1] > 2 * spread[0], "the rest is the camera's"
    page.context.close()
