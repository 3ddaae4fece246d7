"""Handing pictures to a detector, and choosing among its finds."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.errors import ConfigError, StageFailed
from streamer.instances import Instances
from streamer.perception.every_frame import EveryFrame
from streamer.perception.selection import Selection, detect_in
from streamer.pipeline import Pipeline
from tests import fakes

WAIT_S = 30.0


class Whole:
    """Finds the whole picture that it is handed."""

    name = "whole"

    def __init__(self, input_size: tuple[int, int] | None = None) -> None:
        self.labels = {1: "picture"}
        self.input_size = input_size
        self.seen: list[tuple[int, ...]] = []
        self.closed = False

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        self.seen.append(image.shape)
        height, width = image.shape[:2]
        box = np.array([[0, 0, width, height]], np.float32)
        return Instances(boxes_xyxy=box, scores=np.ones(1, np.float32), class_ids=np.ones(1, np.int64))

    def warm_up(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("input_size", "handed"),
    [(None, (40, 60, 3)), ((30, 30), (30, 30, 3)), ((100, 20), (20, 60, 3)), ((100, 100), (40, 60, 3))],
)
def test_a_detector_gets_no_more_pixels_than_it_can_use(input_size: tuple[int, int] | None, handed: tuple[int, ...]) -> None:
    detector = Whole(input_size)
    found = detect_in(detector, fakes.frame(0, 60, 40))
    assert detector.seen == [handed]
    assert found.boxes_xyxy.tolist() == [[0, 0, 60, 40]]


def test_every_frame_asks_and_closes_the_detector() -> None:
    detector = Whole()
    perception = EveryFrame([detector], Selection())
    frame = fakes.frame(3)
    items = list(perception.push(frame))
    assert [item.frame for item in items] == [frame]
    assert len(items[0].instances) == 1
    assert list(perception.finish()) == []
    perception.close()
    assert detector.closed


def test_several_copies_work_side_by_side_and_keep_the_order() -> None:
    both_busy = threading.Barrier(2, timeout=10)

    class Meeting(Whole):
        def detect(self, image: NDArray[np.uint8]) -> Instances:
            both_busy.wait()
            return super().detect(image)

    detectors = [Meeting(), Meeting()]
    perception = EveryFrame(detectors, Selection())
    items = [item for index in range(10) for item in perception.push(fakes.frame(index))]
    assert len(items) == 8, "as many are held back as there are copies"
    items += perception.finish()
    perception.close()
    assert [item.frame.index for item in items] == list(range(10))
    assert all(item.inference_s is not None for item in items)
    assert [len(detector.seen) for detector in detectors] == [5, 5]
    assert all(detector.closed for detector in detectors)


def test_a_failing_copy_fails_the_line_and_every_frame_is_accounted_for() -> None:
    class Failing(Whole):
        def detect(self, image: NDArray[np.uint8]) -> Instances:
            if len(self.seen) == 3:
                raise RuntimeError("no more")
            return super().detect(image)

    source = fakes.FakeSource(30)
    pipeline = Pipeline(source, EveryFrame([Failing(), Failing()], Selection()), fakes.draw_nothing, [fakes.FakeSink()])
    with pytest.raises(StageFailed, match="no more"):
        pipeline.run()
    stats = pipeline.stats
    assert stats.frames_in == stats.frames_out + sum(stats.dropped.values())


@pytest.mark.parametrize("copies", [1, 2])
def test_frames_that_a_detector_does_not_answer_for_are_not_waited_for(copies: int) -> None:
    asked, release, closed = threading.Semaphore(0), threading.Event(), threading.Event()

    class Slow(Whole):
        def detect(self, image: NDArray[np.uint8]) -> Instances:
            if len(self.seen) == 2:
                asked.release()
                release.wait(WAIT_S)
            return super().detect(image)

        def close(self) -> None:
            assert release.is_set(), "not while it is called"
            closed.set()

    def interrupt() -> None:
        for _ in range(copies):  # one may be ahead of the other
            asked.acquire(timeout=WAIT_S)
        pipeline.stop()
        perception.leave()

    perception = EveryFrame([Slow() for _ in range(copies)], Selection())
    sink = fakes.FakeSink()
    pipeline = Pipeline(fakes.FakeSource(None), perception, fakes.draw_nothing, [sink])
    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    stats = pipeline.run()
    interrupting.join()
    assert sink.written == list(range(2 * copies))
    assert sink.ends == ["finish"]
    assert stats.dropped == {"interrupted": stats.frames_in - stats.frames_out}
    release.set()
    assert closed.wait(WAIT_S)


def test_at_least_one_detector_is_needed() -> None:
    with pytest.raises(ValueError, match="at least one"):
        EveryFrame([], Selection())


def _found() -> Instances:
    return Instances(
        boxes_xyxy=np.zeros((4, 4), np.float32),
        scores=np.array([0.3, 0.9, 0.5, 0.9], np.float32),
        class_ids=np.array([1, 2, 1, 1]),
    )


@pytest.mark.parametrize(
    ("selection", "rows"),
    [
        (Selection(), [0, 1, 2, 3]),
        (Selection(score_threshold=0.5), [1, 2, 3]),
        (Selection(class_ids=frozenset({1})), [0, 2, 3]),
        (Selection(class_ids=frozenset()), []),
        (Selection(max_instances=2), [1, 3]),
        (Selection(score_threshold=0.4, class_ids=frozenset({1}), max_instances=1), [3]),
    ],
)
def test_selection_keeps_the_wanted_rows_in_order(selection: Selection, rows: list[int]) -> None:
    found = _found()
    kept = selection(found)
    assert kept.scores.tolist() == found.scores[rows].tolist()
    assert kept.class_ids.tolist() == found.class_ids[rows].tolist()


def test_nonsense_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"within 0\.\.1, got 1\.5"):
        Selection(score_threshold=1.5)
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        Selection(max_instances=0)
