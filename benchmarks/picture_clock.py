"""A clock in the picture that survives encoding and screens, and a source that shows it: for latencies from glass to glass."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Frame, Plane, StreamInfo

TIME_BASE = Fraction(1, 90_000)
BITS = 32
_CHECK_BITS = 8
_BLACK, _WHITE = 16, 235


def write_clock(luma: Plane, milliseconds: int) -> None:
    """Draw a number of ``BITS`` bits, and a check sum, as squares along the bottom of a luma plane (height, width)."""
    size = luma.shape[1] // (BITS + _CHECK_BITS)
    for place, bit in enumerate(_bits(milliseconds)):
        luma[-size:, place * size : (place + 1) * size] = _WHITE if bit else _BLACK


def read_clock(luma: NDArray[np.uint8]) -> int | None:
    """The number in a picture of any size (height, width), or None where there is none, or a damaged one."""
    size = luma.shape[1] / (BITS + _CHECK_BITS)
    row = luma[-round(size / 2)]
    found = [bool(row[round((place + 0.5) * size)] > 128) for place in range(BITS + _CHECK_BITS)]
    number = sum(bit << place for place, bit in enumerate(found[:BITS]))
    return number if _bits(number) == found else None


def now_ms() -> int:
    """This machine's monotonic clock, the same in all processes, as ``BITS`` bits."""
    return int(time.monotonic() * 1e3) % (1 << BITS)


def _bits(number: int) -> list[bool]:
    check = (number * 2654435761 >> 16) % (1 << _CHECK_BITS)
    whole = number | check << BITS
    return [bool(whole >> place & 1) for place in range(BITS + _CHECK_BITS)]


class ClockSource:
    """Implements ``stages.Source``: a noisy picture with the time of its capture in it, ``fps`` times a second."""

    def __init__(self, width: int, height: int, fps: float, seconds: float) -> None:
        self._size, self._fps, self._count = (width, height), fps, round(fps * seconds)
        self._stop = threading.Event()
        self._rng = np.random.default_rng(7)

    def open(self) -> StreamInfo:
        width, height = self._size
        return StreamInfo(
            source="clock",
            width=width,
            height=height,
            time_base=TIME_BASE,
            rate=Fraction(self._fps).limit_denominator(),
            live=True,
        )

    def frames(self) -> Iterator[Frame]:
        width, height = self._size
        noise = self._rng.integers(0, 255, (height * 3 // 2, width), np.uint8)
        background = np.asarray(cv2.GaussianBlur(noise, (0, 0), 4) // 2 + 64, np.uint8)
        begun = time.monotonic()
        for index in range(self._count):
            if self._stop.wait(max(0.0, begun + index / self._fps - time.monotonic())):
                return
            planes = np.roll(background, index % 16, axis=1)
            captured_at = time.monotonic()
            write_clock(planes[:height], int(captured_at * 1e3) % (1 << BITS))
            picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            yield Frame(
                picture=picture,
                index=index,
                pts=round(index / self._fps / TIME_BASE),
                time_base=TIME_BASE,
                source="clock",
                captured_at=captured_at,
                utc_s=time.time(),
            )

    def interrupt(self) -> None:
        self._stop.set()

    def close(self) -> None:
        self._stop.set()
