"""The place of each frame in time: what the container says, mended where it says nothing or nonsense."""

from __future__ import annotations

from fractions import Fraction

import av

# A step back by more than this is a clock that began anew (joined recordings), not a damaged value.
_NEW_CLOCK_S = 1
_SHORTEST_S = Fraction(1, 1000)


class Timeline:
    """Gives every frame a pts later than the one before; leaves all pts alone that are already so.

    - no pts: one frame duration after the frame before, the first at 0;
    - a step back of a second or more: the clock began anew, and goes on one frame after the frame before, from here on;
    - any smaller step back, or none: one tick after the frame before.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None, *, trust_dts: bool = False, untimed: bool = False) -> None:
        """Set up the clock of a recording.

        ``trust_dts``: the container stores decoding times only (AVI), and what FFmpeg makes of them is out of order.
        ``untimed``: the format stores no times (raw H.265), and some of the durations that FFmpeg makes up are one tick.
        """
        self._time_base = time_base
        self._usual = max(1, round(1 / (rate * time_base))) if rate else 1
        self._last: int | None = None
        self._last_duration = 0
        self._offset = 0
        self._trust_dts = trust_dts
        self._untimed = untimed
        self.mended = 0
        """Frames whose pts had to be made up or moved."""

    def place(self, picture: av.VideoFrame) -> tuple[int, int]:
        """pts and duration of the next frame in ticks; the duration is 0 where it is not known."""
        duration = max(0, int(picture.duration or 0))
        given = picture.pts if picture.pts is not None and not self._trust_dts else picture.dts
        step = self._last_duration or self._usual
        if self._untimed and duration * self._time_base < _SHORTEST_S:
            duration = step
        if given is None:
            pts = 0 if self._last is None else self._last + step
            self.mended += 1
        else:
            pts = given + self._offset
            if self._last is not None and pts <= self._last:
                self.mended += 1
                if (self._last - pts) * self._time_base >= _NEW_CLOCK_S:
                    self._offset += self._last + step - pts
                    pts = self._last + step
                else:
                    pts = self._last + 1
        self._last, self._last_duration = pts, duration
        return pts, duration
