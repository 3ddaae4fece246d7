"""Stand-ins for each end of a pipeline, which do what a test tells them; real pictures, no files.

Each calls its ``at`` with the number of the frame (a detector: of the call) before it does anything: there a test waits,
counts or raises.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from types import MappingProxyType

import av
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Frame, StreamInfo
from streamer.instances import Instances
from streamer.stages import Annotated

TIME_BASE = Fraction(1, 90000)
LABELS = {1: "person", 3: "car"}
INFO = StreamInfo(source="in.mp4", width=64, height=48, time_base=TIME_BASE, rate=Fraction(30000, 1001))
"""A recording."""

At = Callable[[int], object]


def nothing(_index: int) -> None:
    """Does nothing, whichever frame it is."""


def raise_at(index: int, error: BaseException) -> At:
    """Raise ``error`` when called with ``index``."""

    def at(now: int) -> None:
        if now == index:
            raise error

    return at


def picture(width: int = 64, height: int = 48, shade: int = 128) -> av.VideoFrame:
    """A plain grey picture of even size."""
    return av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), shade, np.uint8), format="yuv420p")


def frame(
    index: int,
    width: int = 64,
    height: int = 48,
    *,
    fps: float = 25.0,
    pts: int | None = None,
    duration: int = 0,
    source: str = "fake",
    captured_at: float | None = None,
    damaged: bool = False,
    utc_s: float | None = None,
) -> Frame:
    """A grey frame of a steady stream, captured now unless ``captured_at`` says when."""
    return Frame(
        picture=picture(width, height),
        index=index,
        pts=round(index * 90000 / fps) if pts is None else pts,
        time_base=TIME_BASE,
        source=source,
        captured_at=time.monotonic() if captured_at is None else captured_at,
        duration=duration,
        damaged=damaged,
        utc_s=utc_s,
    )


def annotated(
    index: int, instances: Instances, *, pts: int | None = None, duration: int = 3600, utc_s: float | None = None
) -> Annotated:
    """Frame ``index`` of ``INFO`` with these instances, not drawn."""
    of_it = frame(index, pts=pts, duration=duration, captured_at=0.0, source=INFO.source, utc_s=utc_s)
    return Annotated(of_it, instances)


def person_and_car() -> Instances:
    """A person whose mask fills its box (finer than the pixels, so that no corner is lost), and a car without one."""
    return Instances(
        boxes_xyxy=np.array([[10, 8, 20, 28], [30.126, -2, 70, 20]], np.float32),
        scores=np.array([0.98764, 0.5], np.float32),
        class_ids=np.array([1, 3], np.int64),
        masks=np.ones((2, 20, 20), np.float32),
        has_mask=np.array([True, False]),
    )


class FakeSource:
    """Gives these frames, or so many of its own; None gives frames until it is interrupted."""

    def __init__(self, frames: Iterable[Frame] | int | None, at: At = nothing, *, live: bool = True) -> None:
        self.interrupted = threading.Event()
        self.closed = 0
        self.live = live
        self._frames = frames
        self._at = at

    def open(self) -> StreamInfo:
        return StreamInfo(source="fake", width=64, height=48, time_base=TIME_BASE, rate=Fraction(25), live=self.live)

    def frames(self) -> Iterator[Frame]:
        given = self._frames
        if given is None or isinstance(given, int):
            given = map(frame, itertools.count() if given is None else range(given))
        for item in given:
            self._at(item.index)
            if self.interrupted.is_set():
                return
            yield item

    def interrupt(self) -> None:
        self.interrupted.set()

    def close(self) -> None:
        self.closed += 1


class FakeDetector:
    """Finds one person in the middle. ``at`` gets the number of the call, from 1, and 0 for the warm-up."""

    name = "fake"
    labels = MappingProxyType({1: "person", 2: "car"})
    input_size: tuple[int, int] | None = (32, 24)

    def __init__(self, at: At = nothing) -> None:
        self.calls = 0
        self.closed = 0
        self._at = at

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        self.calls += 1
        self._at(self.calls)
        height, width = image.shape[:2]
        return Instances(
            boxes_xyxy=np.array([[width / 4, height / 4, width / 2, height / 2]], np.float32),
            scores=np.array([0.9], np.float32),
            class_ids=np.array([1], np.int64),
            masks=np.full((1, 4, 4), 0.9, np.float32),
        )

    def warm_up(self) -> None:
        self._at(0)

    def close(self) -> None:
        self.closed += 1


class FakePerception:
    """Finds nothing."""

    def __init__(self, at: At = nothing, on_close: Callable[[], object] = lambda: None) -> None:
        self.closed = 0
        self._at = at
        self._on_close = on_close

    def push(self, frame: Frame) -> Iterable[Annotated]:
        self._at(frame.index)
        return [Annotated(frame, Instances.empty())]

    def finish(self) -> Iterable[Annotated]:
        return []

    def close(self) -> None:
        self.closed += 1
        self._on_close()


class FakeSink:
    """Keeps the indices that it was given, and how it ended."""

    def __init__(self, name: str = "fake", at: At = nothing, on_finish: Callable[[], object] = lambda: None) -> None:
        self.name = name
        self.written: list[int] = []
        self.ends: list[str] = []
        self._at = at
        self._on_finish = on_finish

    def write(self, item: Annotated) -> None:
        self._at(item.frame.index)
        self.written.append(item.frame.index)

    def finish(self) -> None:
        self._on_finish()
        self.ends.append("finish")

    def abandon(self) -> None:
        self.ends.append("abandon")


def draw_nothing(item: Annotated) -> None:
    """A renderer that shows the frame as it is."""
    item.picture = item.frame.picture
