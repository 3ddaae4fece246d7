"""Reading a live stream in batches instead of packet by packet, where nobody waits for a picture."""

from __future__ import annotations

import math

_PAUSE_S = 0.08
_MOST_BEHIND_S = 0.2
"""How far reading may fall behind the camera: two pauses. The system holds a second and more of a camera's packets."""
_JUMP_S = 1.0
"""Time that goes on or back by more jumps; by less it goes back with each picture that is shown before one sent earlier."""


class Batches:
    """Says how long to leave a connection alone after a picture: waking up for each packet costs more than reading it.

    Pure: times are passed in. A stream that is behind (many pictures came between two pauses) is read without pauses.
    """

    def __init__(self) -> None:
        self._ahead_s = math.inf
        """The least that arrival was ever ahead of the time stamps: then, nothing had waited."""
        self._time_s: float | None = None

    def pause_s(self, time_s: float, now: float) -> float:
        """Seconds to wait, at ``now`` (monotonic), after the picture with the time stamp ``time_s``."""
        if self._time_s is not None and abs(time_s - self._time_s) > _JUMP_S:
            self._ahead_s = math.inf
        self._time_s = time_s
        ahead_s = now - time_s
        self._ahead_s = min(self._ahead_s, ahead_s)
        return _PAUSE_S if ahead_s - self._ahead_s < _MOST_BEHIND_S - _PAUSE_S else 0.0
