"""Waiting before the next attempt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.runtime.backoff import Backoff


def attempts(away_s: float, *, random: float = 0.0) -> list[float]:
    """When attempts are made, in seconds since the loss, if each fails at once."""
    backoff, now, times = Backoff(), 0.0, []
    while now < away_s:
        now += backoff.delay_s(now, lambda: random)
        times.append(now)
    return times


def test_waits_grow_from_the_first_to_the_longest() -> None:
    times = attempts(600.0)
    waits = [later - earlier for earlier, later in zip([0.0, *times], times, strict=False)]
    assert waits[0] == 0.5
    assert waits == sorted(waits)
    assert waits[-1] == 30.0


@pytest.mark.parametrize("returned_s", [0.1, 1.0, 2.5, 4.0, 4.99])
def test_whoever_was_away_for_less_than_five_seconds_is_asked_within_one(returned_s: float) -> None:
    assert next(at for at in attempts(60.0) if at >= returned_s) - returned_s <= 1.0


@given(away_s=st.floats(0, 1e9), random=st.floats(0, 1))
def test_jitter_shortens_by_a_quarter_at_most(away_s: float, random: float) -> None:
    backoff = Backoff(initial_s=0.5, max_s=30.0)
    longest = backoff.delay_s(away_s, lambda: 0.0)
    assert 0.75 * longest <= backoff.delay_s(away_s, lambda: random) <= longest <= 30.0


@pytest.mark.parametrize(("initial_s", "max_s"), [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_refuses_limits_that_make_no_sense(initial_s: float, max_s: float) -> None:
    with pytest.raises(ValueError, match="initial_s <= max_s"):
        Backoff(initial_s=initial_s, max_s=max_s)
