"""Timecodes count frames, and drop-frame ones leave numbers out, not frames."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.sinks.timecode import moved_timecode

pytestmark = pytest.mark.slow

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("timecode", "frames", "rate", "expected"),
    [
        ("10:00:00:00", 10, Fraction(25), "10:00:00:10"),
        ("10:00:00:00", 25, Fraction(25), "10:00:01:00"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("00:00:59;29", 1, NTSC, "00:01:00;02"),
        ("00:09:59;29", 1, NTSC, "00:10:00;00"),
        ("01:00:00;00", 1798, NTSC, "01:00:59;28"),
        ("01:00:00;00", 1800, NTSC, "01:01:00;02"),
        ("01:00:00;00", 17982, NTSC, "01:10:00;00"),
        ("01:00:00;00", 107892, NTSC, "02:00:00;00"),
        ("00:00:59;59", 1, 2 * NTSC, "00:01:00;04"),
        ("00:00:59:29", 1, NTSC, "00:01:00:00"),
        ("00:00:59:23", 1, Fraction(24000, 1001), "00:01:00:00"),
        ("01:00:00;00", 0, NTSC, "01:00:00;00"),
        ("tomorrow", 1, NTSC, None),
    ],
)
def test_known_timecodes(timecode: str, frames: int, rate: Fraction, expected: str | None) -> None:
    assert moved_timecode(timecode, frames, rate) == expected


@given(st.integers(0, 2_589_407), st.integers(0, 100_000), st.sampled_from([NTSC, 2 * NTSC]))
def test_moving_twice_is_moving_once(first: int, second: int, rate: Fraction) -> None:
    there = moved_timecode("00:00:00;00", first, rate)
    assert there is not None
    assert moved_timecode(there, second, rate) == moved_timecode("00:00:00;00", first + second, rate)
    minutes, frame = int(there[3:5]), int(there[9:])
    assert minutes % 10 == 0 or there[6:8] != "00" or frame >= 2 * round(rate) // 30
