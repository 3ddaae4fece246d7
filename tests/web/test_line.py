"""What is concluded from what browsers report of their lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.web.line import FIRST_TRIAL_S, Line, Sizes


def test_a_line_that_loses_and_takes_less_is_too_thin() -> None:
    line = Line()
    line.estimate(900_000, 10.0)
    assert not line.is_too_thin(2_500_000, 10.0), "the estimate alone says nothing: it may only be new"
    line.lost(0.2, 11.0)
    assert line.is_too_thin(2_500_000, 12.0)
    assert not line.is_too_thin(600_000, 12.0)
    assert not line.is_too_thin(2_500_000, 20.0), "it was long ago"


def test_an_estimate_that_falls_is_trouble_and_one_that_grows_is_none() -> None:
    line = Line()
    for second, bits in enumerate([300_000, 350_000, 400_000, 395_000]):
        line.estimate(bits, float(second))
    assert not line.is_too_thin(2_500_000, 3.0), "a calm picture that became a lively one"
    line.estimate(300_000, 4.0)
    assert line.is_too_thin(2_500_000, 4.0)


def test_a_smaller_picture_is_sent_and_a_larger_one_tried_later_and_later() -> None:
    sizes = Sizes(3)
    changes: list[tuple[float, int]] = []
    for second in range(400):
        now_s = float(second)
        if sizes.judge(too_thin=sizes.current == 0, now_s=now_s):  # it takes all but the largest
            changes.append((now_s, sizes.current))
    assert changes[:4] == [(0.0, 1), (FIRST_TRIAL_S, 0), (FIRST_TRIAL_S + 3, 1), (3 * FIRST_TRIAL_S + 3, 0)]


@given(st.integers(1, 4), st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=60))
def test_there_is_always_a_size(count: int, judged: list[tuple[bool, float]]) -> None:
    sizes, now_s = Sizes(count), 0.0
    for too_thin, passed_s in judged:
        now_s += passed_s
        before = sizes.current
        assert sizes.judge(too_thin=too_thin, now_s=now_s) == (sizes.current != before)
        assert 0 <= sizes.current < count
