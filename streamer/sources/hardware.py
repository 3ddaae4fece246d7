"""Decoding on an NVIDIA GPU (NVDEC), where one is."""

from __future__ import annotations

import io
from fractions import Fraction
from functools import cache

import av
import av.error
import numpy as np
from av.codec.hwaccel import HWAccel
from av.video.stream import VideoStream

_WIDTH, _HEIGHT, _FRAMES = 256, 144, 3


def accelerator(index: int = 0) -> HWAccel:
    """What PyAV is to be given for decoding on the GPU of that number. Frames come back into the memory of the CPU.

    What that decoder does not take is decoded on the CPU: :func:`made` tells. Opening raises ``OSError`` without a GPU.
    """
    return HWAccel("cuda", device=str(index), allow_software_fallback=True)


def made(picture: av.VideoFrame) -> bool:
    """Whether a picture comes from the GPU's decoder: it interleaves the colours, which none of FFmpeg's own decoders does."""
    return picture.format.name.startswith(("nv12", "nv16", "p010", "p012", "p016", "p210", "p216"))


@cache
def obstacle(index: int = 0) -> str:
    """Why H.264 is not decoded on the GPU of that number; empty where it is: found out by doing it."""
    try:
        with av.open(_sample(), "r", hwaccel=accelerator(index)) as container:
            pictures = [made(picture) for picture in container.decode(video=0)]
    except (av.error.FFmpegError, OSError, RuntimeError, ValueError, NotImplementedError) as error:
        return " ".join(f"the GPU's decoder does not open ({type(error).__name__}: {error})".split())
    if pictures != [True] * _FRAMES:
        return f"the GPU's decoder gave {sum(pictures)} of {_FRAMES} pictures"
    return ""


def _sample() -> io.BytesIO:
    """A few gray pictures in H.264."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream = output.add_stream("libx264", rate=Fraction(25), options={"preset": "ultrafast"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        for index in range(_FRAMES):
            picture = av.VideoFrame.from_ndarray(np.full((_HEIGHT * 3 // 2, _WIDTH), 128, np.uint8), format="yuv420p")
            picture.pts = index
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    file.seek(0)
    return file
