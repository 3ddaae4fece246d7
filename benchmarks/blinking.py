"""A camera's picture with a light in the middle that goes on and off, as a file of units that ``tests.camera`` sends."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from tests.camera import RATE

ON_S, OFF_S = 4, 4


def encode(path: Path, *, size: tuple[int, int] = (320, 192)) -> None:
    """``ON_S`` seconds with the light, ``OFF_S`` without; key frames every second."""
    width, height = size
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt, context.gop_size = width, height, "yuv420p", RATE
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "scenecut=0:threads=1:annexb=1"}
    units = []
    for index in range((ON_S + OFF_S) * RATE):
        picture = np.full((height, width, 3), 40, np.uint8)
        if index < ON_S * RATE:
            picture[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = 230
        picture[:8, index % width] = 120  # no two pictures are alike
        frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts = index
        units += [bytes(packet) for packet in context.encode(frame)]
    units += [bytes(packet) for packet in context.encode(None)]
    path.write_bytes(b"".join(len(unit).to_bytes(4, "big") + unit for unit in units))
