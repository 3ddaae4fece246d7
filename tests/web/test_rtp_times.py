"""Time stamps of what is sent by WebRTC."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamer.web.rtp_times import RtpTimes

STEP = 3600


def test_the_spacing_is_kept_to_the_tick_however_pictures_are_sent() -> None:
    times = RtpTimes()
    times.begin()
    sent = [times.place(500_000 + STEP * number, 100 + number / 25 + 0.01 * (number % 3), late=False) for number in range(50)]
    assert [later - earlier for earlier, later in pairwise(sent)] == [STEP] * 49


def test_what_is_sent_to_catch_up_stands_where_it_is_sent() -> None:
    times = RtpTimes()
    times.begin()
    caught_up = [times.place(STEP * number, 100 + 0.01 * number, late=True) for number in range(100)]
    assert caught_up == [900 * number for number in range(100)]
    now = [times.place(STEP * number, 101 + (number - 100) / 25, late=False) for number in range(100, 110)]
    assert now == [90_000 + STEP * number for number in range(10)]


def test_another_video_goes_on_where_the_time_is() -> None:
    times = RtpTimes()
    times.begin()
    times.place(0, 100.0, late=False)
    times.begin()
    assert times.place(7_000_000, 102.0, late=False) == 180_000
    assert times.place(7_003_600, 102.0, late=False) == 183_600


@given(
    st.lists(
        st.tuples(st.integers(-(2**40), 2**40), st.floats(0, 10), st.booleans(), st.booleans()),
        max_size=50,
    )
)
def test_each_stands_later_than_the_one_before(pictures: list[tuple[int, float, bool, bool]]) -> None:
    times = RtpTimes()
    now_s, last = 0.0, -1
    for ticks, passed_s, late, begins in pictures:
        now_s += passed_s
        if begins:
            times.begin()
        out = times.place(ticks, now_s, late=late)
        assert out > last
        last = out
