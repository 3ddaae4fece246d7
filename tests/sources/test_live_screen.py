"""A screen as a live source."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streamer.errors import SourceUnsupported
from streamer.sources.live import LiveSource
from tests.display import VirtualDisplay, display

pytestmark = pytest.mark.slow

__all__ = ["display"]

CAPTURE = """
import sys
from itertools import islice, pairwise

from streamer.runtime.import_order import screen_first

screen_first()

from streamer.frame import plane_views
from streamer.sources.live import LiveSource

source = LiveSource(sys.argv[1])
info = source.open()
frames = list(islice(source.frames(), 10))
source.close()
rising = all(earlier.pts < later.pts for earlier, later in pairwise(frames))
brightest = int(plane_views(frames[-1].picture)[0].max())
print(info.width, info.height, frames[0].picture.format.name, rising, brightest)
"""


def test_a_screen_is_captured(display: VirtualDisplay) -> None:
    # In a process of its own: here OpenCV's libraries were loaded first, which FFmpeg's x11grab does not survive.
    address = f"x11grab:{display.environ['DISPLAY']}?framerate=20&video_size=320x200"
    done = subprocess.run([sys.executable, "-c", CAPTURE, address], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    # An empty X server shows black: 16 in limited range.
    assert done.stdout.split() == ["320", "200", "yuv420p", "True", "16"]


def test_a_screen_that_would_end_the_process_is_refused() -> None:
    source = LiveSource("x11grab::77")
    with pytest.raises(SourceUnsupported, match="OpenCV was imported before PyAV"):
        source.open()
    source.close()
