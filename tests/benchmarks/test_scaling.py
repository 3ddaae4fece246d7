"""How growth is judged."""

from __future__ import annotations

import math

import pytest

from benchmarks.scaling import MOST_GROWTH, growth, judged

WORKS = (1, 5, 20, 50, 100, 200)


@pytest.mark.parametrize(("cost", "expected"), [(lambda n: 3 * n, 1.0), (lambda n: 0.1 * n * n, 2.0), (lambda _n: 7.0, 0.0)])
def test_growth_is_the_exponent(cost, expected) -> None:  # type: ignore[no-untyped-def]  # parametrised
    assert growth({n: cost(n) for n in WORKS}) == pytest.approx(expected)


def test_what_is_the_same_for_any_work_does_not_hide_what_grows_faster() -> None:
    assert growth({n: 50 + n + 0.02 * n * n for n in WORKS}) > MOST_GROWTH
    assert growth({n: 50 + n for n in WORKS}) < MOST_GROWTH
    assert growth({n: n * math.log2(n + 1) for n in WORKS}) > MOST_GROWTH


def test_it_is_compared_with_a_quarter_of_the_work_or_the_next_smaller_one() -> None:
    assert growth({1.0: 9.0, 3.0: 4.0, 8.0: 16.0, 16.0: 17.0}) == pytest.approx(math.log(17 / 4) / math.log(16 / 3))


def test_a_cost_that_grows_faster_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert judged("drawing", {1: 1.0, 10: 10.0}, "ms")
    assert not judged("sorting", {1: 1.0, 10: 100.0}, "ms")
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("1: 1  10: 10 ms; growth 1.00")
    assert out[1].endswith("growth 2.00, faster than the work")
