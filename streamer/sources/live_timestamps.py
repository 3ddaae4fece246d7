"""One monotonic time line out of the time stamps of a live source, which may be missing, jump, wrap or start again."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

TIME_BASE = Fraction(1, 90_000)
"""Seconds per tick of every live stream: the clock of RTP and MPEG-TS, which holds 25, 30 and 30000/1001 exactly."""

_WRAPS = (1 << 32, 1 << 33)
"""Where time stamps start again at nought: RTP counts in 32 bits, MPEG in 33."""


@dataclass(slots=True)
class _Anchor:
    """A frame from which on the source's own spacing is followed."""

    pts: int
    time_base: Fraction
    out: int


class LiveTimeline:
    """Places frames at strictly increasing ticks of ``TIME_BASE``, the first at 0. Pure: times are passed in.

    As long as the source's time stamps go on plausibly, their spacing is kept to the tick, without drift. Where they do not
    (missing, not increasing, further ahead than time has passed by ``tolerance_s``), and after :meth:`restart`, the time
    that really passed between the arrivals stands in, and the source's spacing is followed from there on.
    """

    def __init__(self, *, tolerance_s: float = 3.0) -> None:
        self.jumps = 0
        """Times that the source's time stamps could not be followed."""
        self._tolerance_s = tolerance_s
        self._anchor: _Anchor | None = None
        self._wrapped = 0
        self._known: tuple[int, float] | None = None
        self._out = -1
        self._arrived_s: float | None = None

    def restart(self) -> None:
        """The next frame comes from another connection: its time stamps have nothing to do with those before."""
        self._anchor = self._known = None
        self._wrapped = 0

    def place(self, pts: int | None, time_base: Fraction | None, arrived_s: float) -> int:
        """The tick of a frame with the source's time stamp (or None) that arrived at ``arrived_s`` (monotonic seconds)."""
        if self._anchor is not None and time_base != self._anchor.time_base:
            self.restart()
        raw = self._unwrapped(pts, arrived_s) if pts is not None and time_base is not None else None
        out = self._followed(raw, arrived_s)
        if out is None:
            passed_s = 0.0 if self._arrived_s is None else max(0.0, arrived_s - self._arrived_s)
            out = self._out + max(1, round(passed_s / TIME_BASE))
            if raw is not None and time_base is not None:
                self.jumps += self._anchor is not None
                self._anchor = _Anchor(raw, time_base, out)
        if raw is not None:
            self._known = (raw, arrived_s)
        # A frame whose time stamp was missing may have been placed a little late: order comes first.
        self._out = max(out, self._out + 1)
        self._arrived_s = arrived_s
        return self._out

    def _followed(self, raw: int | None, arrived_s: float) -> int | None:
        """Where the source's own spacing puts the frame, or None if that cannot be believed."""
        if raw is None or self._anchor is None or not self._plausible(raw, arrived_s):
            return None
        return self._anchor.out + _ticks(raw - self._anchor.pts, self._anchor.time_base)

    def _plausible(self, raw: int, arrived_s: float) -> bool:
        if self._anchor is None or self._known is None:
            return False
        time_base = self._anchor.time_base
        step_s = (raw - self._known[0]) * time_base.numerator / time_base.denominator
        return 0 < step_s <= max(0.0, arrived_s - self._known[1]) + self._tolerance_s

    def _unwrapped(self, pts: int, arrived_s: float) -> int:
        raw = pts + self._wrapped
        if self._known is not None and raw < self._known[0]:
            for wrap in _WRAPS:
                if self._plausible(raw + wrap, arrived_s):
                    self._wrapped += wrap
                    return raw + wrap
        return raw


def _ticks(steps: int, time_base: Fraction) -> int:
    """So many steps of ``time_base`` in ticks of ``TIME_BASE``, the nearest; in whole numbers where they do, which is quick."""
    ticks, rest = divmod(steps * time_base.numerator * TIME_BASE.denominator, time_base.denominator * TIME_BASE.numerator)
    return round(steps * time_base / TIME_BASE) if rest else ticks
