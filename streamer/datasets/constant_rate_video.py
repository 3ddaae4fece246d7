"""A copy of a recording's frames at a constant rate: frame k is at k over the rate, whatever counts by number or by time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from streamer.frame import Frame
from streamer.sinks.live_encoder import upright_even

_KEY_FRAMES = "12"


class ConstantRateVideo:
    """H.264 in MP4, upright, of an even size, with a key frame every few frames and no B-frames, so that seeking is exact."""

    def __init__(self, path: Path, size: tuple[int, int], rate: Fraction) -> None:
        """``size``: width and height of the picture, rounded up to even numbers here. Raises ``OSError``."""
        self._rate = rate
        self.width, self.height = even_size(size)
        self._frames = 0
        self._container = av.open(str(path), "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=rate, options={"crf": "18", "g": _KEY_FRAMES, "bf": "0"})
        self._stream.width, self._stream.height, self._stream.pix_fmt = self.width, self.height, "yuv420p"

    def add(self, frame: Frame) -> None:
        """Write a frame. Raises ``OSError``."""
        picture = upright_even(frame.picture, frame.orientation, self.width, self.height)
        picture.pts, picture.time_base = self._frames, 1 / self._rate
        self._frames += 1
        self._container.mux(self._stream.encode(picture))

    def finish(self) -> None:
        """Complete the file. Raises ``OSError``."""
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        self._container.close()


def even_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height, rounded up to even numbers."""
    return size[0] + size[0] % 2, size[1] + size[1] % 2
