"""Trying a detector out."""

from __future__ import annotations

from collections.abc import Iterator

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
