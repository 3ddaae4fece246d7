"""SMPTE timecodes, moved by a number of frames."""

from __future__ import annotations

import re
from fractions import Fraction

_TIMECODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")
_MINUTE_S, _HOUR_S = 60, 3600
_DROPPED_OF_30 = 2


def moved_timecode(timecode: str, frames: int, rate: Fraction) -> str | None:
    """``timecode`` after ``frames`` more, at ``rate`` frames a second; it begins anew after 24 hours. None for no timecode.

    ``HH:MM:SS;FF`` and ``HH:MM:SS.FF`` are drop-frame: to keep up with the clock at 29.97 frames a second, the numbers 0 and 1
    are left out in each minute but every tenth (twice as many at 59.94). See SMPTE ST 12-1.
    """
    found = _TIMECODE.fullmatch(timecode)
    numbers = round(rate)
    if found is None or numbers < 1:
        return None
    hours, minutes, seconds, frame = (int(found[group]) for group in (1, 2, 3, 5))
    dropped = _DROPPED_OF_30 * numbers // 30 if found[4] in ";." else 0
    a_minute, ten_minutes = _MINUTE_S * numbers - dropped, 10 * _MINUTE_S * numbers - 9 * dropped
    count = ((hours * 60 + minutes) * _MINUTE_S + seconds) * numbers + frame
    count -= dropped * (hours * 60 + minutes - (hours * 60 + minutes) // 10)
    count = (count + frames) % (ten_minutes * 6 * 24)
    tens, rest = divmod(count, ten_minutes)
    # The first minute of ten is whole.
    later_minutes = 0 if rest < a_minute + dropped else 1 + (rest - a_minute - dropped) // a_minute
    count += dropped * (9 * tens + later_minutes)
    total_s, frame = divmod(count, numbers)
    return f"{total_s // _HOUR_S % 24:02}:{total_s // _MINUTE_S % 60:02}:{total_s % 60:02}{found[4]}{frame:02}"
