"""Whether an object crosses a line, from its distances to it."""

from __future__ import annotations

from typing import NamedTuple

MARGIN = 0.05
"""How far beyond the line an object must come, in sizes of its box: what is nearer may be jitter."""
LEAST_MARGIN_PX = 1.0
_EPSILON_S = 1e-6
SETTLE_S = 0.2
"""An object has crossed when it has been beyond the margin on the other side for so long ..."""
HOLD_S = 1.0
HOLD_SHARE = 0.3
"""... or beyond this share of the margin for ``HOLD_S``: it stopped right behind the line."""


class Crossed(NamedTuple):
    """A crossing that is certain."""

    side: int
    """1: to the side that ``in`` leads to, -1: to the other one."""
    time_s: float


class Passage:
    """One object and one line. A side counts once the object is certainly on it, not what it does on the line meanwhile."""

    __slots__ = ("_beyond_s", "_crossed_s", "_distance", "_margin", "_near_s", "_net", "_side", "_sign", "settled")

    def __init__(self) -> None:
        self.settled = False
        """Whether it is where it certainly was before: while that is so and its side does not change there is nothing to do."""
        self._side = 0
        self._sign = 0
        self._net = 0
        self._crossed_s = 0.0
        self._beyond_s: float | None = None
        """Since when it has been beyond the margin, on one side."""
        self._near_s: float | None = None
        """Since when it has been beyond a part of the margin, on one side."""
        self._distance = self._margin = 0.0

    @property
    def sign(self) -> int:
        """The side that it was on last, certainly or not; 0 before it was seen."""
        return self._sign

    def step(self, time_s: float, distance: float, margin: float, met_s: float | None) -> Crossed | None:
        """It is at ``distance`` now. ``met_s``: when its path met the line since it was seen last, None where it did not.

        Returns the crossing that is certain now.
        """
        sign, away = 1 if distance >= 0.0 else -1, abs(distance)
        first = not self._sign
        if sign != self._sign:
            self._beyond_s = self._near_s = None
            if met_s is not None:
                self._net += sign
                self._crossed_s = met_s
        self._sign, self._distance, self._margin = sign, distance, margin
        self._beyond_s = _since(self._beyond_s, time_s, away >= margin)
        self._near_s = _since(self._near_s, time_s, away >= HOLD_SHARE * margin)
        if self._beyond_s is not None and (first or sign == self._side or time_s - self._beyond_s >= SETTLE_S - _EPSILON_S):
            return self._settle()
        if self._near_s is not None and time_s - self._near_s >= HOLD_S - _EPSILON_S:
            return self._settle()
        self.settled = False
        return None

    def end(self) -> Crossed | None:
        """It will not be seen again: what was seen last has to do."""
        return self._settle() if self._sign and abs(self._distance) >= self._margin else None

    def _settle(self) -> Crossed | None:
        crossed = self._side != 0 and self._sign != self._side and self._net * self._sign > 0
        self._side, self._net, self.settled = self._sign, 0, True
        return Crossed(self._sign, self._crossed_s) if crossed else None


def _since(before_s: float | None, now_s: float, holds: bool) -> float | None:
    """Since when something holds that did so since ``before_s``."""
    if not holds:
        return None
    return now_s if before_s is None else before_s
