"""Output timestamps for the frames of a source and for the status pictures between them."""

from __future__ import annotations

TICKS = 90_000
"""Ticks a second of the time line."""
_MOST_APART_S = 1.0


class OutputTimestamps:
    """Places pictures in time: frames as far apart as their source says, status pictures by the clock, always growing.

    Where the source's time and the clock have come apart by more than a second (the source was changed, or its clock was),
    the clock wins, once: nobody who watches waits for a moment that has passed. Starts at 0.
    """

    def __init__(self) -> None:
        self._offset: int | None = None
        self._last = -1
        self._last_at = 0.0

    def frame(self, pts: int, now: float) -> int:
        """Where a frame with ``pts`` (ticks) belongs, when the monotonic clock says ``now`` (seconds)."""
        expected = self._by_clock(now)
        if self._offset is None or abs(pts + self._offset - expected) > _MOST_APART_S * TICKS:
            self._offset = expected - pts
        return self._note(pts + self._offset, now)

    def idle(self, now: float) -> int:
        """Where a picture that no frame stands behind belongs."""
        return self._note(self._by_clock(now), now)

    def _by_clock(self, now: float) -> int:
        return 0 if self._last < 0 else self._last + round((now - self._last_at) * TICKS)

    def _note(self, ticks: int, now: float) -> int:
        self._last = max(ticks, self._last + 1)
        self._last_at = now
        return self._last
