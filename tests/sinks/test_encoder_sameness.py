"""The same pictures become the same bytes, whatever memory held before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib, io, sys
import av, cv2, numpy as np
from streamer.sinks.encoders import ENCODERS

WIDTH, HEIGHT = 320, 240
noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH), np.uint8)
luma = cv2.GaussianBlur(noise, (5, 5), 0)
file = io.BytesIO()
with av.open(file, "w", format="mp4") as output:
    stream = output.add_stream("libx264", rate=10, options=ENCODERS["libx264"].options(None, sys.argv[1]))
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    for index in range(12):
        moved = np.roll(luma, 2 * index, 1) if index < 6 else 255 - np.roll(luma, 2 * index, 1)
        planes = np.vstack([moved, np.full((HEIGHT // 2, WIDTH), 128, np.uint8)])
        output.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
    output.mux(stream.encode(None))
print(hashlib.sha256(file.getvalue()).hexdigest())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc fills fresh memory when told to")
@pytest.mark.parametrize("preset", ["ultrafast", "superfast", "veryfast", "medium"])
def test_what_fresh_memory_holds_is_not_seen_in_the_file(preset: str) -> None:
    def encoded(fill: int) -> str:
        told = os.environ | {"MALLOC_PERTURB_": str(fill)}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, preset], env=told, capture_output=True, text=True, timeout=120, check=True
        ).stdout

    assert encoded(1) == encoded(170)
