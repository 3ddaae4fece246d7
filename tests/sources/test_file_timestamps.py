"""Times are left alone where they make sense, and mended where they do not."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
from hypothesis import given
from hypothesis import strategies as st

from streamer.sources.file_timestamps import Timeline

TIME_BASE = Fraction(1, 1000)


def placed(
    times: list[tuple[int | None, int | None]], *, trust_dts: bool = False, rate: Fraction | None = Fraction(25)
) -> list[int]:
    timeline = Timeline(TIME_BASE, rate, trust_dts=trust_dts)
    result = []
    for pts, dts in times:
        picture = av.VideoFrame(16, 16, "yuv420p")
        picture.pts, picture.dts = pts, dts
        result.append(timeline.place(picture)[0])
    return result


def test_without_any_time_frames_follow_at_the_rate() -> None:
    assert placed([(None, None)] * 3) == [0, 40, 80]
    assert placed([(None, None)] * 3, rate=None) == [0, 1, 2]


def test_a_gap_in_the_times_is_filled() -> None:
    assert placed([(100, None), (None, None), (180, None)]) == [100, 140, 180]


def test_decoding_times_help_out() -> None:
    assert placed([(0, 0), (None, 33), (66, 66)]) == [0, 33, 66]
    assert placed([(1, 2), (3, 3), (4, 4), (2, 5)], trust_dts=True) == [2, 3, 4, 5]


def test_a_new_clock_goes_on_and_a_small_step_back_is_one_tick() -> None:
    assert placed([(5000, None), (5040, None), (0, None), (40, None)]) == [5000, 5040, 5080, 5120]
    assert placed([(100, None), (90, None), (140, None)]) == [100, 101, 140]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), max_size=30))
def test_times_always_rise(times: list[int | None]) -> None:
    result = placed([(time, None) for time in times])
    assert all(later > earlier for earlier, later in pairwise(result))


@given(st.lists(st.integers(-(2**40), 2**40), max_size=30, unique=True).map(sorted))
def test_rising_times_are_left_alone(times: list[int]) -> None:
    assert placed([(time, None) for time in times]) == times
