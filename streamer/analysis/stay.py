"""Whether an object is in a zone, from whether it is inside in one frame and the next."""

from __future__ import annotations

from typing import NamedTuple

_EPSILON_S = 1e-6


class Changes(NamedTuple):
    """What became certain: times in seconds, None where there is nothing."""

    entered_s: float | None = None
    left_s: float | None = None
    again_s: float | None = None
    """It left, and came in again, and both are certain at once."""
    dwell_s: float = 0.0
    """How long it was inside, when it left."""
    over: bool = False
    """Whether there is nothing left to wait for: it is outside."""


NOTHING = Changes()
"""What most frames change."""


class Stay:
    """One object in one zone, from the frame in which it is inside first. Both ends are certain only after a time."""

    __slots__ = ("_enter_after_s", "_leave_after_s", "_left_s", "_since_s", "entered")

    def __init__(self, since_s: float, enter_after_s: float, leave_after_s: float) -> None:
        self.entered = False
        """Whether it counts as in."""
        self._since_s = since_s
        self._left_s: float | None = None
        self._enter_after_s, self._leave_after_s = enter_after_s - _EPSILON_S, leave_after_s - _EPSILON_S

    @property
    def settled(self) -> bool:
        """Whether it counts as in, and is."""
        return self.entered and self._left_s is None

    def within(self, time_s: float, since_s: float) -> Changes:
        """It is inside; where it was outside before, since ``since_s``."""
        left_s = self._left_s
        if left_s is not None and since_s - left_s >= self._leave_after_s:
            before_s = self._since_s
            self._since_s, self._left_s = since_s, None
            self.entered = time_s - since_s >= self._enter_after_s
            return Changes(left_s=left_s, dwell_s=left_s - before_s, again_s=since_s if self.entered else None)
        self._left_s = None
        if not self.entered and time_s - self._since_s >= self._enter_after_s:
            self.entered = True
            return Changes(entered_s=self._since_s)
        return NOTHING

    def without(self, time_s: float, since_s: float) -> Changes:
        """It is outside; where it was inside before, since ``since_s``."""
        entered_s = None
        if self._left_s is None:
            self._left_s = since_s
            if not self.entered:
                if since_s - self._since_s < self._enter_after_s:
                    return Changes(over=True)
                self.entered, entered_s = True, self._since_s
        if time_s - self._left_s >= self._leave_after_s:
            return self._ended(self._left_s, entered_s)
        return Changes(entered_s=entered_s)

    def end(self, time_s: float) -> Changes:
        """It was seen at ``time_s`` for the last time."""
        left_s = time_s if self._left_s is None else self._left_s
        entered_s = None
        if not self.entered:
            if left_s - self._since_s < self._enter_after_s:
                return Changes(over=True)
            entered_s = self._since_s
        return self._ended(left_s, entered_s)

    def _ended(self, left_s: float, entered_s: float | None) -> Changes:
        return Changes(entered_s=entered_s, left_s=left_s, dwell_s=left_s - self._since_s, over=True)
