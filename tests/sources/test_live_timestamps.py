"""The time line of live sources: increasing always, true where the source is."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.sources.live_timestamps import TIME_BASE, LiveTimeline

RTP = Fraction(1, 90_000)
TIME_BASES = st.sampled_from([RTP, Fraction(1, 1000), Fraction(1, 1_000_000), Fraction(1, 25), Fraction(1001, 30_000)])


def placed(stamps: list[int | None], *, step_s: float = 1 / 30, time_base: Fraction = RTP) -> list[int]:
    timeline = LiveTimeline()
    return [timeline.place(pts, time_base, 100.0 + index * step_s) for index, pts in enumerate(stamps)]


@given(
    stamps=st.lists(
        st.tuples(st.none() | st.integers(-(1 << 34), 1 << 34), TIME_BASES, st.floats(0, 1e6), st.booleans()), max_size=40
    )
)
def test_increases_whatever_comes(stamps: list[tuple[int | None, Fraction, float, bool]]) -> None:
    timeline = LiveTimeline()
    out = []
    for pts, time_base, arrived_s, restart in stamps:
        if restart:
            timeline.restart()
        out.append(timeline.place(pts, time_base, arrived_s))
    assert all(earlier < later for earlier, later in itertools.pairwise(out))
    assert out[:1] in ([], [0])


@given(
    start=st.integers(-(1 << 33), 1 << 33),
    steps=st.lists(st.integers(90, 200_000), max_size=50),
    lateness_s=st.lists(st.floats(0, 2), min_size=51, max_size=51),
)
def test_keeps_the_spacing_of_a_sound_source_to_the_tick(start: int, steps: list[int], lateness_s: list[float]) -> None:
    stamps = list(itertools.accumulate(steps, initial=start))
    timeline = LiveTimeline()
    # Each frame arrives up to two seconds late: the network's jitter is not in the time line.
    out = [
        timeline.place(pts, RTP, float((pts - start) * RTP) + late_s) for pts, late_s in zip(stamps, lateness_s, strict=False)
    ]
    assert out == [pts - start for pts in stamps]
    assert timeline.jumps == 0


@pytest.mark.parametrize("bits", [32, 33])
def test_goes_on_when_the_counter_wraps(bits: int) -> None:
    stamps: list[int | None] = [((1 << bits) - 6000 + 3000 * index) % (1 << bits) for index in range(6)]
    assert placed(stamps) == [0, 3000, 6000, 9000, 12_000, 15_000]


def test_a_counter_wraps_more_than_once() -> None:
    timeline = LiveTimeline()
    step = 1 << 31
    out = [timeline.place((index * step) % (1 << 32), RTP, float(index * step * RTP)) for index in range(9)]
    assert out == [index * step for index in range(9)]


def test_missing_stamps_are_placed_by_their_arrival() -> None:
    assert placed([None, None, None], step_s=0.1) == [0, 9000, 18_000]


def test_a_first_stamp_that_is_missing_does_not_disturb_the_rest() -> None:
    out = placed([None, 500_000, 503_000, 506_000])
    assert [later - earlier for earlier, later in itertools.pairwise(out)] == [3000, 3000, 3000]


def test_one_missing_stamp_in_the_middle_leaves_the_others_where_they_are() -> None:
    assert placed([0, 3000, None, 9000, 12_000]) == [0, 3000, 6000, 9000, 12_000]


@pytest.mark.parametrize("stamp", [-900_000, 0, 3000, 900_000_000])
def test_a_jump_takes_the_time_that_really_passed(stamp: int) -> None:
    timeline = LiveTimeline()
    timeline.place(0, RTP, 10.0)
    timeline.place(3000, RTP, 10.0 + 1 / 30)
    assert timeline.place(stamp, RTP, 10.0 + 3 / 30) == 9000
    # The source's spacing is followed from there on.
    assert timeline.place(stamp + 3000, RTP, 10.0 + 4 / 30) == 12_000
    assert timeline.jumps == 1


def test_a_gap_that_really_was_is_kept() -> None:
    timeline = LiveTimeline()
    timeline.place(0, RTP, 10.0)
    assert timeline.place(90_000 * 60, RTP, 70.0) == 90_000 * 60


def test_after_a_reconnect_the_gap_is_the_time_that_passed() -> None:
    timeline = LiveTimeline()
    timeline.place(1_000_000, RTP, 10.0)
    timeline.restart()
    assert timeline.place(5, Fraction(1, 1000), 14.5) == round(4.5 / TIME_BASE)
    assert timeline.jumps == 0


def test_no_rounding_adds_up() -> None:
    time_base = Fraction(1, 24_000)
    timeline = LiveTimeline()
    for index in range(10_001):
        out = timeline.place(1001 * index, time_base, 1001 * index / 24_000)
    assert out == round(1001 * 10_000 * time_base / TIME_BASE)
