"""Times by the camera's clock, and where there are none."""

from __future__ import annotations

from fractions import Fraction

import pytest

from streamer.sources.camera_clock import CameraClock

RTP = Fraction(1, 90_000)


def test_until_the_camera_tells_the_time_it_is_that_of_arrival() -> None:
    assert CameraClock().at(90_000, RTP, 1000.0) == (1000.0, False)


def test_pictures_have_the_time_at_which_they_were_taken() -> None:
    clock = CameraClock()
    clock.note(90_000, RTP, 1000.0, 1000.3)
    assert clock.at(180_000, RTP, 1001.4) == (1001.0, True)
    assert clock.at(None, RTP, 1001.4) == (1001.4, False)


@pytest.mark.parametrize("off_s", [-1e9, 3600.0, 31.0])
def test_a_clock_that_is_not_set_is_none(off_s: float) -> None:
    clock = CameraClock()
    clock.note(0, RTP, 1e9 + off_s, 1e9)
    assert clock.at(90_000, RTP, 1e9 + 1) == (1e9 + 1, False)
    assert clock.off_s == off_s
