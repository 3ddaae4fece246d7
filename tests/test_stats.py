"""Latency quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.stats import Latency, Stats


@given(st.lists(st.floats(1e-5, 100.0), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 1.0]))
def test_quantiles_are_within_two_percent_of_the_exact_ones(seconds: list[float], q: float) -> None:
    latency = Latency()
    for value in seconds:
        latency.add(value)
    exact = float(np.quantile(seconds, q, method="inverted_cdf"))
    assert latency.quantile_s(q) == pytest.approx(exact, rel=0.02)


def test_no_durations_give_zero() -> None:
    assert Latency().median_s == 0.0
    assert Latency().p95_s == 0.0


def test_negative_and_tiny_durations_count() -> None:
    latency = Latency()
    latency.add(-1.0)
    latency.add(0.0)
    assert latency.count == 2
    assert latency.total_s == 0.0
    assert latency.p95_s == 0.0


def test_memory_does_not_grow_with_the_number_of_durations() -> None:
    latency = Latency()
    for i in range(20_000):
        latency.add(0.001 + (i % 1000) * 1e-5)
    assert len(latency._buckets) < 150


def test_seconds_run_until_the_end() -> None:
    stats = Stats(started_at=10.0)
    assert stats.seconds(12.0) == 2.0
    stats.ended_at = 11.0
    assert stats.seconds(99.0) == 1.0
