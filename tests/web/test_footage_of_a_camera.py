"""Footage while it is recorded: from a camera over RTSP, in a real browser."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.camera import Camera
from tests.live.test_end_to_end import Process
from tests.rtsp import why_not
from tests.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
]


def test_the_file_that_grows_is_played_and_what_privacy_covers_is_not(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "camera").mkdir()
    camera = Camera(tmp_path / "camera")
    camera.start()
    file = tmp_path / "wall.yaml"
    file.write_text(
        f"detector: tests.bright:Bright\nweb: 0\ndefaults: {{segment: 4, record: {tmp_path}/footage}}\ncameras:\n"
        f"  gate: {{source: '{camera.url}'}}\n"
        f"  yard: {{source: '{camera.url}', privacy_zones: ['0,0 1,0 1,1'], keep_original: true}}\n",
        encoding="utf-8",
    )
    process = Process(tmp_path, "run", str(file))
    try:
        wait_until(lambda: "cameras at http" in process.log, 60, what=lambda: process.log)
        found = re.search(r"cameras at (http://127\.0\.0\.1:\d+)", process.log)
        assert found is not None
        url = found[1]
        footage = tmp_path / "footage"
        wait_until(lambda: len(list(footage.glob("gate-*.mp4"))) >= 2 and list(footage.glob("yard-*.mp4")), 120)
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.goto(f"{url}/footage?camera=gate")
        page.wait_for_selector("#day .recorded")

        def plays() -> bool:
            page.evaluate("video.play()")
            page.wait_for_timeout(300)
            return bool(page.evaluate("video.readyState >= 2 && video.currentTime > 0.2"))

        wait_until(plays, 60)
        first = str(page.evaluate("video.currentSrc"))

        def went_on() -> bool:
            page.wait_for_timeout(300)
            return bool(page.evaluate("video.currentSrc") != first)

        wait_until(went_on, 120)
        page.get_by_label("Camera").select_option("yard")
        page.wait_for_selector("#problem:text('privacy covers')")
        assert complaints == []
        page.close()
        kept = next(footage.glob("yard-*.mp4"))
        assert httpx.get(f"{url}/api/cameras/yard/footage/{kept.name}").status_code == 404
        process.process.send_signal(signal.SIGINT)
        process.wait(30)
    finally:
        process.end()
        camera.stop()
