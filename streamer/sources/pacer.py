"""Handing out frames at the pace of their time stamps."""

from __future__ import annotations


class Pacer:
    """Says how long to hold each frame back so that its time stamp and the clock go on together. Pure.

    A frame that is late by more than ``late_s``, or early by more than ``early_s`` (a jump of the time stamps), is handed out
    at once, and the pace goes on from it: nothing is rushed to catch up.
    """

    def __init__(self, *, late_s: float = 0.2, early_s: float = 10.0) -> None:
        self._late_s = late_s
        self._early_s = early_s
        self._offset_s: float | None = None

    def wait_s(self, time_s: float, now: float) -> float:
        """Seconds to wait, at ``now`` (monotonic), with the frame whose time stamp is ``time_s``."""
        if self._offset_s is not None:
            wait = time_s + self._offset_s - now
            if -self._late_s <= wait <= self._early_s:
                return max(0.0, wait)
        self._offset_s = now - time_s
        return 0.0
