"""Which of OpenCV and PyAV is loaded first decides whether windows or screens can be had: in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.display import VirtualDisplay, why_not
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("code", "first"),
    [
        ("import sys, streamer, av", "cv2"),
        ("import sys, streamer, cv2, av", "cv2"),
        ("import sys, streamer; streamer.runtime.import_order.screen_first(); import cv2", "av"),
        ("import sys, av, streamer, cv2", "av"),
    ],
)
def test_the_order_is_kept_and_known(code: str, first: str) -> None:
    said = run_python(
        f"{code}\nprint(next(name for name in sys.modules if name in ('cv2', 'av')), streamer.runtime.import_order.kept())"
    )
    assert said == f"{first} {first == 'cv2' or not sys.platform.startswith('linux')}"


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "a display is here")
def test_a_screen_can_be_captured_by_the_command(tmp_path: Path) -> None:
    display = VirtualDisplay()
    name = display.environ["DISPLAY"]
    command = [sys.executable, "-m", "streamer", "live", f"x11grab:{name}?video_size=320x240", "--max-fps", "10"]
    command += ["--detections", str(tmp_path / "d.jsonl"), "--detector", "tests.fakes:FakeDetector"]
    try:
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        records = tmp_path / "d.jsonl"
        wait_until(lambda: process.poll() is not None or (records.exists() and records.read_text().count('"frame"') > 5), 60)
        process.terminate()
        _, log = process.communicate(timeout=20)
        assert process.returncode == 0, log
        refused = subprocess.run(
            [*command[:5], "--show"], cwd=ROOT, env=display.environ, capture_output=True, text=True, check=False
        )
        assert refused.returncode == 2
        assert "PyAV was imported before OpenCV" in refused.stderr
    finally:
        display.stop()
