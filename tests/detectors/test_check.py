"""Trying a detector out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors.check import check
from streamer.instances import Instances


class Nothing:
    """Finds nothing, and counts how often it was asked."""

    name = "nothing"
    input_size = (64, 32)

    def __init__(self) -> None:
        self.labels = {1: "thing"}
        self.calls = 0

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        assert image.shape == (32, 64, 3)
        self.calls += 1
        return Instances.empty()

    def warm_up(self) -> None:
        pass

    def close(self) -> None:
        pass


def ticking(step_s: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += step_s


@pytest.mark.parametrize(("step_s", "calls"), [(0.01, 5), (12.0, 3), (40.0, 1)])
def test_a_slow_detector_is_asked_less_often(step_s: float, calls: int) -> None:
    detector = Nothing()
    clock = ticking(step_s)
    report = check(detector, clock=lambda: next(clock))
    assert (report.frames, detector.calls) == (calls, calls)
    assert report.ms_per_frame == pytest.approx(step_s * 1000)
    assert report.warm_up_s == pytest.approx(step_s)


class Finding(Nothing):
    """Finds seven things; each mask takes it a second."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def detect_wanted(
        self, image: NDArray[np.uint8], wanted: Callable[[Instances], NDArray[np.intp]], *, masks: bool = True
    ) -> Instances:
        self.detect(image)
        boxes = np.tile(np.array([0, 0, 9, 9], np.float32), (7, 1))
        seven = Instances(boxes_xyxy=boxes, scores=np.ones(7, np.float32), class_ids=np.ones(7, np.int64))
        found = seven[wanted(seven)]
        self.now += 0.5 + masks * len(found)
        return found


def test_masks_are_measured_for_as_many_objects_as_it_finds() -> None:
    detector = Finding()
    report = check(detector, clock=lambda: detector.now)
    assert report.ms_by_masks == pytest.approx({0: 500, 1: 1500, 5: 5500})
    assert check(Nothing(), frames=1).ms_by_masks == {}
