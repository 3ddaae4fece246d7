"""Stored records of a live source in place of a detector: joined to footage by the world's clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.privacy import UNKNOWN
from streamer.perception.selection import Selection
from streamer.runtime.utc import parse_utc
from streamer.sinks.stored import StoredRecords
from streamer.stages import Annotated

_NEAR_S = 0.5
"""Records further from a frame than this say nothing of it."""


class RecordedByClock:
    """Implements ``stages.Perception``: each frame gets the records of the moment nearest to its own.

    Footage has every picture that came, records those that were looked at or passed on; both say when each was captured. The
    records may be of another size (a smaller stream of the same camera). Where the run covered something, frames without
    records are covered as a whole.
    """

    def __init__(self, stored: StoredRecords, select: Selection, start_utc_s: float) -> None:
        """``start_utc_s``: seconds since 1970 of the footage's time 0."""
        self._stored = stored
        self._select = select
        self._start_utc_s = start_utc_s
        self._lines = stored.frames()
        self._near: deque[tuple[float, dict[str, Any]]] = deque()
        """The last record before a frame, if there is one, and the first one after it."""
        self._ended = False
        self.drawn = 0
        """Frames that have records."""

    def reaches(self, end_utc_s: float) -> bool:
        """Before the first frame: whether there are records of the time from the footage's beginning to ``end_utc_s``."""
        self._at(self._start_utc_s)
        return any(self._start_utc_s - _NEAR_S <= at <= end_utc_s + _NEAR_S for at, _ in self._near)

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """The frame with what was found then. Raises ``StreamerError`` for damaged records."""
        line = self._at(self._start_utc_s + frame.time_s)
        private = "privacy" in self._stored.stream
        if line is None:
            return [Annotated(frame, Instances.empty(), cover=UNKNOWN if private else None)]
        self.drawn += 1
        found = self._select(self._stored.instances(line))
        width, height = self._stored.size
        if (frame.width, frame.height) == (width, height):
            return [Annotated(frame, found, cover=self._stored.cover(line))]
        covered = UNKNOWN if private else None  # covers are made of the pixels of one size
        return [Annotated(frame, found.scaled(frame.width / width, frame.height / height), cover=covered)]

    def finish(self) -> Iterable[Annotated]:
        """Nothing is held back."""
        return ()

    def close(self) -> None:
        """There is nothing to let go of."""

    def _at(self, utc_s: float) -> dict[str, Any] | None:
        """The line nearest to a time; times come in their order."""
        near = self._near
        while not self._ended and (not near or near[-1][0] < utc_s):
            line = next(self._lines, None)
            if line is None:
                self._ended = True
            elif (at := parse_utc(line.get("utc", ""))) is not None:
                near.append((at, line))
                while len(near) > 1 and near[1][0] < utc_s:
                    near.popleft()
        while len(near) > 1 and near[1][0] <= utc_s:
            near.popleft()
        best = min(near, key=lambda each: abs(each[0] - utc_s), default=None)
        return best[1] if best is not None and abs(best[0] - utc_s) <= _NEAR_S else None
