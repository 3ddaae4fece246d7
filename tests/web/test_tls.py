"""The wall by https, with a certificate of one's own, for somebody who has signed in."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.camera import Camera
from tests.chromium import chromium
from tests.live.test_end_to_end import Process
from tests.rtsp import why_not
from tests.tls import Certificate, certificate
from tests.waiting import wait_until
from tests.web.test_video import NO_WEBRTC, PATIENT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["certificate"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
]


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as launch:
        started = launch("--ignore-certificate-errors")
        yield started
        started.close()


def test_video_comes_by_each_way_over_https(browser: Browser, tmp_path: Path, certificate: Certificate) -> None:
    folder = tmp_path / "camera"
    folder.mkdir()
    camera = Camera(folder)
    camera.start()
    file = tmp_path / "wall.yaml"
    file.write_text(
        f"detector: tests.bright:Bright\nweb: 0\nweb_token: s3cret\ntls_cert: {certificate.file}\ntls_key: {certificate.key}\n"
        f"cameras: {{gate: {{source: '{camera.url}'}}}}\n",
        encoding="utf-8",
    )
    process = Process(tmp_path, "run", str(file))
    try:
        wait_until(lambda: "gate: running" in process.log, 60, what=lambda: process.log)
        found = re.search(r"cameras at (https://127\.0\.0\.1:\d+)", process.log)
        assert found is not None
        complaints: list[str] = []
        for script, way in (("", "WebRTC"), (NO_WEBRTC, "MSE")):
            page = browser.new_context(ignore_https_errors=True).new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.add_init_script(PATIENT + script)
            page.goto(f"{found[1]}/login#token=s3cret")
            page.get_by_role("button", name="gate, enlarge").click(timeout=60_000)
            page.wait_for_selector("#large canvas[data-picture-stamp]:not([data-picture-stamp=''])", timeout=60_000)
            assert (page.locator("#way").text_content() or "").startswith(way)
            page.context.close()
        assert complaints == []
        process.process.send_signal(signal.SIGINT)
        process.wait(30)
    finally:
        process.end()
        camera.stop()
