"""Fewer frames a second, evenly, and each that is left out is counted."""

from __future__ import annotations

import itertools

import pytest

from streamer.sources.rate_limit import RateLimited
from tests.fakes import FakeSource, frame


@pytest.mark.parametrize(("fps", "most", "expected"), [(25, 10, 100), (30, 15, 150), (25, 25, 250), (10, 30, 100), (60, 7, 70)])
def test_the_rate_is_what_was_asked_for(fps: float, most: float, expected: int) -> None:
    source = FakeSource(frame(index, fps=fps) for index in range(int(10 * fps)))
    limited = RateLimited(source, most)
    given = list(limited.frames())
    assert len(given) == pytest.approx(expected, abs=1)
    assert len(given) + limited.skipped == 10 * fps
    gaps = [later.time_s - earlier.time_s for earlier, later in itertools.pairwise(given)]
    assert min(gaps) >= 1 / most - 1 / fps - 1e-6
    assert max(gaps) <= 1 / min(most, fps) + 1 / fps + 1e-6


def test_time_stamps_that_jump_do_not_stop_it() -> None:
    indices = [*range(50), *range(10_000, 10_050), *range(50)]
    limited = RateLimited(FakeSource(frame(index) for index in indices), 5)
    assert len(list(limited.frames())) == pytest.approx(30, abs=2)


def test_the_rest_is_the_sources_own_affair() -> None:
    source = FakeSource([frame(0)])
    limited = RateLimited(source, 5)
    assert limited.open() == source.open()
    limited.interrupt()
    limited.close()
    assert source.interrupted.is_set()
    assert source.closed


def test_no_frames_a_second_are_refused() -> None:
    with pytest.raises(ValueError, match="expected more than 0, got 0"):
        RateLimited(FakeSource([]), 0)
