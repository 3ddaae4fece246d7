"""The benchmarks' clock in the picture can be read back after scaling and noise, and damage is noticed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.picture_clock import BITS, read_clock, write_clock

pytestmark = pytest.mark.slow


@given(st.integers(0, (1 << BITS) - 1), st.sampled_from([1.0, 0.5, 1.5]))
def test_what_is_written_is_read(number: int, scale: float) -> None:
    luma = np.random.default_rng(1).integers(0, 255, (360, 640), np.uint8)
    write_clock(luma, number)
    shown = np.asarray(cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    assert read_clock(shown) == number


def test_damage_is_noticed() -> None:
    luma = np.zeros((360, 640), np.uint8)
    write_clock(luma, 12345)
    luma[-16:, :16] = 255 - luma[-16:, :16]
    assert read_clock(luma) is None
