"""Frames, sources, detectors and sinks that do what a test tells them; real pictures, no files."""

from __future__ import annotations

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


def picture(width: int = 64, height: int = 48, shade: int = 128) -> av.VideoFrame:
    """A plain grey picture."""
    planes = np.full((height * 3 // 2, width), shade, np.uint8)
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


_PICTURE = picture()


def frame(
    index: int, *, source: str = "scripted", captured_at: float | None = None, fps: float = 25.0, damaged: bool = False
) -> Frame:
    """A frame of a steady stream; all share one picture."""
    return Frame(
        picture=_PICTURE,
        index=index,
        pts=round(index * 90000 / fps),
        time_base=TIME_BASE,
        source=source,
        captured_at=time.monotonic() if captured_at is None else captured_at,
        damaged=damaged,
        utc_s=1_767_225_600.0 + index / fps,
    )


class ScriptedSource:
    """Yields the given frames, calling ``before`` with the index of each; ends at their end or at the interrupt."""

    def __init__(self, frames: Iterable[Frame], before: Callable[[int], object] = lambda _index: None) -> None:
        self.stopped = threading.Event()
        self.closed = False
        self._frames = frames
        self._before = before

    def open(self) -> StreamInfo:
        return StreamInfo(source="scripted", width=64, height=48, time_base=TIME_BASE, rate=Fraction(25), live=True)

    def frames(self) -> Iterator[Frame]:
        for item in self._frames:
            self._before(item.index)
            if self.stopped.is_set():
                return
            yield item

    def interrupt(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.closed = True


class ScriptedDetector:
    """Finds one person in the middle; ``work`` is called first with the number of the call."""

    name = "scripted"
    labels = MappingProxyType({1: "person", 2: "car"})
    input_size: tuple[int, int] | None = (32, 24)

    def __init__(self, work: Callable[[int], object] = lambda _call: None) -> None:
        self.calls = 0
        self.closed = 0
        self._work = work

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        self.calls += 1
        self._work(self.calls)
        height, width = image.shape[:2]
        return Instances(
            boxes_xyxy=np.array([[width / 4, height / 4, width / 2, height / 2]], np.float32),
            scores=np.array([0.9], np.float32),
            class_ids=np.array([1], np.int64),
            masks=np.full((1, 4, 4), 0.9, np.float32),
        )

    def warm_up(self) -> None:
        self._work(0)

    def close(self) -> None:
        self.closed += 1


class ScriptedSink:
    """Keeps the indices of what it is given; ``work`` is called first with each."""

    name = "scripted"

    def __init__(self, work: Callable[[Annotated], object] = lambda _item: None) -> None:
        self.indices: list[int] = []
        self.finished = 0
        self.abandoned = 0
        self._work = work

    def write(self, item: Annotated) -> None:
        self._work(item)
        self.indices.append(item.frame.index)

    def finish(self) -> None:
        self.finished += 1

    def abandon(self) -> None:
        self.abandoned += 1


def wait_until(true: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Poll for what another thread or process does; fails after ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not true():
        assert time.monotonic() < deadline, f"it did not happen within {timeout_s:g} s"
        pause.wait(0.005)
