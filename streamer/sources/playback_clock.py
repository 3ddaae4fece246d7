"""When to hand out frames, so that they come as their time stamps say."""

from __future__ import annotations


class PlaybackClock:
    """Says how long to hold each frame back so that its time stamp and the clock go on together. Pure.

    A frame that is late by more than ``late_s`` is handed out at once, and the next ones follow it at their usual distance:
    nothing is rushed to catch up. Where time stamps go back, or ahead by more than ``jump_s``, the frame follows the one before
    as that one did.
    """

    def __init__(self, *, late_s: float = 0.2, jump_s: float = 10.0) -> None:
        self._late_s = late_s
        self._jump_s = jump_s
        self._last: tuple[float, float] | None = None
        self._step_s = 0.0

    def wait_s(self, time_s: float, now: float) -> float:
        """Seconds to wait, at ``now`` (monotonic), with the frame whose time stamp is ``time_s``."""
        due = now
        if self._last is not None:
            last_time_s, last_due = self._last
            if 0.0 <= time_s - last_time_s <= self._jump_s:
                self._step_s = time_s - last_time_s
            due = last_due + self._step_s
            if now - due > self._late_s:
                due = now
        self._last = (time_s, due)
        return max(0.0, due - now)
