"""Perception and renderer that fail: no picture is lost, and the part is built anew."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import pytest

from streamer.errors import ConfigError
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.live.guarded import GuardedPerception, GuardedRender, Rebuilt
from streamer.perception.privacy import UNKNOWN
from streamer.pipeline import Render
from streamer.stages import Annotated, Cover, Perception
from tests.fakes import annotated, frame, person_and_car


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Parts:
    """Builds one part after the other: each works on so many frames, then fails; a negative number cannot be built."""

    def __init__(self, *frames: int) -> None:
        self.built = 0
        self.closed = 0
        self._frames = iter(frames)

    def _next(self) -> Callable[[], None]:
        left = next(self._frames)
        if left < 0:
            raise MemoryError
        self.built += 1

        def work() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise IndexError("rtsp://u:hunter2@h/ is out of range")

        return work

    def perception(self) -> Perception:
        work, parts = self._next(), self

        class Finds:
            def push(self, frame: Frame) -> Iterable[Annotated]:
                work()
                return [Annotated(frame, person_and_car())]

            def finish(self) -> Iterable[Annotated]:
                work()
                return []

            def close(self) -> None:
                parts.closed += 1

        return Finds()

    def render(self) -> Render:
        work = self._next()

        def draw(item: Annotated) -> None:
            work()
            item.picture = item.frame.rgb  # type: ignore[assignment]  # something that is not the frame's picture

        return draw


def found(perception: GuardedPerception, index: int) -> int:
    of = frame(index)
    (item,) = perception.push(of)
    assert item.frame is of
    return len(item.instances)


def test_frames_go_on_without_masks_and_perception_is_built_anew(caplog: pytest.LogCaptureFixture) -> None:
    clock, parts = Clock(), Parts(2, -1, 1000)
    rebuilt = Rebuilt("gate", "perception", parts.perception, clock)
    perception = GuardedPerception(rebuilt)
    assert [found(perception, index) for index in range(5)] == [2, 2, 0, 0, 0]
    assert (parts.built, parts.closed, rebuilt.failures) == (1, 0, 1)
    assert rebuilt.error == "perception failed: IndexError: rtsp://u:***@h/ is out of range"
    clock.now += 1.0
    assert found(perception, 5) == 0, "it could not be built"
    assert rebuilt.error == "perception failed: MemoryError"
    clock.now += 5.0
    assert [found(perception, index) for index in range(6, 9)] == [2, 2, 2]
    assert (parts.built, rebuilt.failures, rebuilt.error) == (2, 2, "")
    assert list(perception.finish()) == []
    perception.close()
    assert parts.closed == 1
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "gate: perception failed and is built anew, frames go on without masks"),
        (logging.WARNING, "gate: perception works again"),
    ]


def test_what_cannot_be_built_at_the_start_is_an_error() -> None:
    def build() -> Perception:
        raise ConfigError("no such class")

    with pytest.raises(ConfigError, match="no such class"):
        Rebuilt("gate", "perception", build)


def test_a_perception_that_failed_is_not_built_only_to_be_closed() -> None:
    clock, parts = Clock(), Parts(0)
    perception = GuardedPerception(Rebuilt("gate", "perception", parts.perception, clock))
    assert found(perception, 0) == 0
    assert list(perception.finish()) == []
    perception.close()
    assert (parts.built, parts.closed) == (1, 0)


@pytest.mark.parametrize("cover", [None, UNKNOWN])
def test_what_was_found_by_classes_that_are_others_now_is_not_handed_on(cover: Cover | None) -> None:
    """A camera waits for its answer within ``push``: the detector may be loaded again with other classes meanwhile."""
    labels = ["person"]

    class Finds:
        def push(self, frame: Frame) -> Iterable[Annotated]:
            if frame.index == 1:
                labels[0] = "cat"
            return [Annotated(frame, person_and_car())]

        def finish(self) -> Iterable[Annotated]:
            return []

        def close(self) -> None:
            pass

    perception = GuardedPerception(Rebuilt("gate", "perception", Finds, made_for=lambda: labels[0]), cover=cover)
    items = [item for index in range(3) for item in perception.push(frame(index))]
    assert [(item.frame.index, len(item.instances)) for item in items] == [(0, 2), (1, 0), (2, 2)]
    assert items[1].cover is cover


def test_a_picture_that_cannot_be_drawn_stays_as_it_came() -> None:
    clock, parts = Clock(), Parts(1, 1000)
    rebuilt = Rebuilt("gate", "rendering", parts.render, clock)
    render = GuardedRender(rebuilt)

    def drawn() -> bool:
        item = annotated(0, Instances.empty())
        render(item)
        return item.picture is not item.frame.picture

    assert [drawn() for _ in range(4)] == [True, False, False, False]
    clock.now += 1.0
    assert drawn()
    assert (parts.built, rebuilt.failures) == (2, 1)
