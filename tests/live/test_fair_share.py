"""Fair queuing, on a simulated clock: shares by weight whatever the frame rates, and nothing saved up while away."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.live.fair_share import FairShare


def simulate(
    rates: dict[str, float], weights: dict[str, float], call_s: float, seconds: float, away: dict[str, tuple[float, float]]
) -> Counter[str]:
    """Calls of each camera: a frame of camera i waits from its arrival until it is served or replaced by the next."""
    share = FairShare()
    for name, weight in weights.items():
        share.add(name, weight)
    served: Counter[str] = Counter()
    taken = dict.fromkeys(rates, -1)
    now = 0.0
    while now < seconds:
        newest = {}
        for offset, (name, rate) in enumerate(rates.items()):
            gone = away.get(name, (1.0, 0.0))
            if not gone[0] <= now < gone[1] and (index := int(now * rate + 0.13 * offset)) > taken[name]:
                newest[name] = index
        if newest:
            name = share.next(newest)
            served[name] += 1
            taken[name] = newest[name]
            now += call_s
        else:
            now += 0.001
    return served


def test_eight_cameras_that_want_more_than_there_is_get_the_same() -> None:
    rates = {f"camera {n}": 10.0 for n in range(8)}
    for call_s in (0.02, 0.05, 0.09):
        served = simulate(rates, dict.fromkeys(rates, 1.0), call_s, 60.0, {})
        assert max(served.values()) <= 1.05 * min(served.values())


def test_a_fast_camera_gets_no_more_than_a_slow_one_that_is_always_ready() -> None:
    rates = {"fast": 60.0, "slow": 10.0, "usual": 25.0}
    served = simulate(rates, dict.fromkeys(rates, 1.0), 0.1, 60.0, {})
    assert max(served.values()) <= 1.05 * min(served.values())


def test_weights_are_shares() -> None:
    rates = dict.fromkeys("abc", 30.0)
    served = simulate(rates, {"a": 2.0, "b": 1.0, "c": 0.5}, 0.1, 70.0, {})
    assert served["a"] == pytest.approx(2 * served["b"], rel=0.05)
    assert served["b"] == pytest.approx(2 * served["c"], rel=0.05)


def test_a_share_that_is_not_used_goes_to_the_others() -> None:
    served = simulate({"a": 30.0, "b": 30.0, "idle": 0.5}, dict.fromkeys(["a", "b", "idle"], 1.0), 0.1, 60.0, {})
    assert served["idle"] == pytest.approx(30, abs=2)
    assert served["a"] == pytest.approx(served["b"], rel=0.05)
    assert served.total() >= 599


def test_who_was_away_does_not_make_up_for_it() -> None:
    rates = dict.fromkeys("ab", 30.0)
    served = simulate(rates, dict.fromkeys("ab", 1.0), 0.1, 100.0, {"b": (10.0, 80.0)})
    # 10 s and 20 s of sharing, 70 s alone.
    assert served["b"] == pytest.approx(150, abs=3)
    assert served["a"] == pytest.approx(850, abs=3)


def test_who_comes_late_begins_now() -> None:
    share = FairShare()
    share.add("a")
    for _ in range(1000):
        share.next(["a"])
    share.add("b")
    served = Counter(share.next(["a", "b"]) for _ in range(100))
    assert abs(served["a"] - served["b"]) <= 2
    share.remove("a")
    share.remove("a")
    assert share.next(["b"]) == "b"


@settings(deadline=None)
@given(st.lists(st.floats(0.2, 5.0), min_size=2, max_size=6), st.integers(200, 400))
def test_who_is_always_ready_is_never_more_than_a_call_off_its_share(weights: list[float], calls: int) -> None:
    share = FairShare()
    for n, weight in enumerate(weights):
        share.add(str(n), weight)
    names = [str(n) for n in range(len(weights))]
    served = Counter(share.next(names) for _ in range(calls))
    for name, weight in zip(names, weights, strict=True):
        for other, other_weight in zip(names, weights, strict=True):
            # The bound of start-time fair queuing: the normalised services differ by at most one call of each.
            assert abs(served[name] / weight - served[other] / other_weight) <= 1 / weight + 1 / other_weight + 1e-6


def test_what_makes_no_sense_is_refused() -> None:
    share = FairShare()
    share.add("a")
    with pytest.raises(ValueError, match="already"):
        share.add("a")
    with pytest.raises(ValueError, match="expected more than 0, got 0"):
        share.add("b", 0.0)
