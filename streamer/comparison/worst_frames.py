"""The frames in which most is wrong."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamer.comparison.matching import Matching


@dataclass(frozen=True, slots=True)
class WorstFrame:
    """A frame in which something is wrong."""

    frame: int
    """Index in the records that are taken for the truth."""
    time_s: float
    errors: int
    """Objects that are missed, extra or of a wrong class."""
    overlap: float
    """Mean IoU of the boxes of objects that lie on each other."""
    truth: Mapping[str, Any]
    """Line of the records that are taken for the truth."""
    judged: Mapping[str, Any]


class WorstFrames:
    """Keeps at most one of each second, so that they are not all of one moment."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._worst: list[tuple[int, float, int, WorstFrame]] = []
        self._seen = 0
        self._of_second: tuple[int, float, int, WorstFrame] | None = None

    def add(self, truth: Mapping[str, Any], judged: Mapping[str, Any], matching: Matching) -> None:
        """Look at a frame. Frames come in order."""
        if not self._number or not matching.errors:
            return
        frame = WorstFrame(truth["frame"], truth["time_s"], matching.errors, matching.overlap, truth, judged)
        self._seen += 1
        new = frame.errors, -frame.overlap, -self._seen, frame  # of equal ones the first
        before = self._of_second
        if before is not None and int(before[3].time_s) == int(frame.time_s):
            self._of_second = max(before, new, key=lambda one: one[:3])
            return
        self._keep()
        self._of_second = new

    def worst(self) -> list[WorstFrame]:
        """The worst first."""
        self._keep()
        return [frame for *_, frame in sorted(self._worst, key=lambda one: one[:3], reverse=True)]

    def _keep(self) -> None:
        if self._of_second is None:
            return
        heapq.heappush(self._worst, self._of_second)
        if len(self._worst) > self._number:
            heapq.heappop(self._worst)
        self._of_second = None
