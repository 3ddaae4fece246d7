"""Stand-ins for the ends of the line, for faults and order; pictures are real ``av.VideoFrame`` objects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import av

from streamer.frame import Frame, StreamInfo
from streamer.instances import Instances
from streamer.stages import Annotated

TIME_BASE = Fraction(1, 30)


def info(width: int = 16, height: int = 16) -> StreamInfo:
    return StreamInfo(source="fake", width=width, height=height, time_base=TIME_BASE)


def frame(index: int, width: int = 16, height: int = 16, captured_at: float = 0.0) -> Frame:
    picture = av.VideoFrame(width, height, "yuv420p")
    picture.pts, picture.time_base = index, TIME_BASE
    return Frame(picture=picture, index=index, pts=index, time_base=TIME_BASE, source="fake", captured_at=captured_at)


class FakeSource:
    """Gives ``count`` frames, or frames for ever with None; ``at`` is called with each index before its frame."""

    def __init__(self, count: int | None, at: Callable[[int], object] = lambda _: None) -> None:
        self.count = count
        self.at = at
        self.interrupted = threading.Event()
        self.closed = 0

    def open(self) -> StreamInfo:
        return info()

    def frames(self) -> Iterator[Frame]:
        index = 0
        while (self.count is None or index < self.count) and not self.interrupted.is_set():
            self.at(index)
            yield frame(index)
            index += 1

    def interrupt(self) -> None:
        self.interrupted.set()

    def close(self) -> None:
        self.closed += 1


class FakePerception:
    """Finds nothing; ``at`` is called with each index."""

    def __init__(self, at: Callable[[int], object] = lambda _: None, on_close: Callable[[], object] = lambda: None) -> None:
        self.at = at
        self.on_close = on_close
        self.closed = 0

    def push(self, frame: Frame) -> Iterable[Annotated]:
        self.at(frame.index)
        return [Annotated(frame, Instances.empty())]

    def finish(self) -> Iterable[Annotated]:
        return []

    def close(self) -> None:
        self.closed += 1
        self.on_close()


class FakeSink:
    """Keeps the indices that it was given; ``at`` is called with each."""

    def __init__(
        self, name: str = "fake", at: Callable[[int], object] = lambda _: None, on_finish: Callable[[], object] = lambda: None
    ) -> None:
        self.name = name
        self.at = at
        self.on_finish = on_finish
        self.written: list[int] = []
        self.ends: list[str] = []

    def write(self, item: Annotated) -> None:
        self.at(item.frame.index)
        self.written.append(item.frame.index)

    def finish(self) -> None:
        self.on_finish()
        self.ends.append("finish")

    def abandon(self) -> None:
        self.ends.append("abandon")


def draw_nothing(item: Annotated) -> None:
    """A renderer that shows the frame as it is."""
    item.picture = item.frame.picture


def raise_at(index: int, error: BaseException) -> Callable[[int], object]:
    """Raise ``error`` when called with ``index``."""

    def at(now: int) -> None:
        if now == index:
            raise error

    return at
