"""Animated WebP, which FFmpeg's libraries cannot read: OpenCV does, and hands it on as an animated PNG."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np

from streamer.errors import SourceUnsupported

_HEADER_BYTES = 30
_ANIMATED = 0x02
# OpenCV holds all pictures in memory at once.
_MOST_BYTES = 1 << 30


def animated_webp(path: str) -> io.BytesIO | None:
    """The animation in ``path`` as an animated PNG with the same pictures and times; None where it is another file.

    Raises ``SourceUnsupported`` for one that is damaged, or too large to be held in memory.
    """
    file = Path(path)
    if not file.is_file():  # a pipe: what is read here would be missing in the video
        return None
    with file.open("rb") as stream:
        header = stream.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or header[:4] != b"RIFF" or header[8:16] != b"WEBPVP8X" or not header[20] & _ANIMATED:
            return None
        data = header + stream.read()
    width, height = (int.from_bytes(header[at : at + 3], "little") + 1 for at in (24, 27))
    if width * height * 4 * data.count(b"ANMF") > _MOST_BYTES:
        raise SourceUnsupported(f"{path} is an animated WebP too large to be read", hint="convert it to a video first")
    read, animation = cv2.imdecodeanimation(np.frombuffer(data, np.uint8))
    if not read or not animation.frames:
        raise SourceUnsupported(f"{path} is an animated WebP that cannot be decoded", hint="is the file complete?")
    written, png = cv2.imencodeanimation(".png", animation, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not written:
        raise SourceUnsupported(f"{path} is an animated WebP that cannot be converted", hint="convert it to a video first")
    return io.BytesIO(png.tobytes())
