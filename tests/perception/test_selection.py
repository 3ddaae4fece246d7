"""What a detector gives is made sane where it is called."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.instances import Instances
from streamer.perception.selection import detect_in
from tests import fakes, strategies


class Odd(fakes.FakeDetector):
    """Answers what it was made with, whatever it is shown."""

    def __init__(self, name: str, answer: Instances, input_size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.name = name
        self.input_size = input_size
        self._answer = answer

    def detect(self, image: NDArray[np.uint8]) -> Instances:  # noqa: ARG002  # it sees without looking
        return self._answer


def answer(*boxes: tuple[float, ...], mask: float = 1.0) -> Instances:
    n = len(boxes)
    return Instances(
        boxes_xyxy=np.array(boxes, np.float32),
        scores=np.ones(n, np.float32),
        class_ids=np.ones(n, np.int64),
        masks=np.full((n, 3, 3), mask, np.float32),
    )


@pytest.mark.slow
@settings(deadline=None)
@given(st.data(), strategies.sizes())
def test_what_comes_out_is_sane(data: st.DataObject, size: tuple[int, int]) -> None:
    limit = data.draw(st.none() | strategies.sizes())
    handed = size if limit is None else (min(size[0], limit[0]), min(size[1], limit[1]))
    detector = Odd("sane", data.draw(strategies.instances(*handed)), limit)
    found = detect_in(detector, strategies.frame("slope", 1, *size))
    strategies.check(found, *size, within=False)
    assert found.usable(*size) is found


def test_what_is_left_out_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    detector = Odd("says once", answer((0, 0, 9, 9), (np.nan, 0, 9, 9), (99, 0, 120, 9)))
    with caplog.at_level(logging.WARNING):
        for index in range(3):
            assert len(detect_in(detector, fakes.frame(index))) == 1
    (record,) = caplog.records
    assert "says once: left out 2 of 3 objects" in record.getMessage()


def test_a_mask_that_is_left_out_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = detect_in(Odd("holds no numbers", answer((0, 0, 9, 9), mask=np.inf)), fakes.frame(0))
    assert found.has_mask.tolist() == [False]
    (record,) = caplog.records
    assert "left out masks" in record.getMessage()


def test_numbers_out_of_their_range_are_no_news(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = detect_in(Odd("overshoots", answer((0, 0, 9, 9), mask=1.01)), fakes.frame(0))
    assert found.masks is not None
    assert found.masks.max() == 1.0
    assert caplog.records == []
