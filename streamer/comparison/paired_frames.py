"""The frames of two records files of one recording, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import lcm
from typing import Any

from streamer.errors import RecordsDiffer, StreamerError
from streamer.sinks.stored import StoredRecords

_SHARED = 0.5
"""Least share of the frames of the one with fewer that the other must have, where no fingerprint says they belong together."""

Line = Mapping[str, Any]


class PairedFrames:
    """Frames are the same when they are shown at the same time of the recording, to its clock's tick."""

    def __init__(self, truth: StoredRecords, judged: StoredRecords, on_read: Callable[[float], None] | None = None) -> None:
        """``on_read`` is told how much of the truth was read, 0..1.

        Raises ``RecordsDiffer`` where they are of different recordings, as far as their first lines tell.
        """
        self.pairs = 0
        """Frames that both have, once all were read."""
        self.only_truth = 0
        self.only_judged = 0
        self._truth, self._judged = truth, judged
        self._on_read = on_read
        marks = truth.stream.get("fingerprint"), judged.stream.get("fingerprint")
        self._known = marks[0] is not None and marks[0] == marks[1]
        if truth.size != judged.size:
            sizes = [f"{stored.size[0]}x{stored.size[1]}" for stored in (truth, judged)]
            raise self._differ(f"their pictures are {sizes[0]} and {sizes[1]}")
        if None not in marks and marks[0] != marks[1]:
            raise self._differ(f"the content of {truth.stream['source']} and {judged.stream['source']} differs")

    def __iter__(self) -> Iterator[tuple[Line | None, Line | None]]:
        """Lines of the same time, None where one has no such frame. Raises ``StreamerError`` for a damaged file, and at the end
        ``RecordsDiffer`` where they have too few frames in common."""
        ours, theirs = _ticks(self._truth, self._judged, self._on_read)
        truth, judged = next(ours, None), next(theirs, None)
        while truth is not None or judged is not None:
            if judged is None or (truth is not None and truth[0] < judged[0]):
                assert truth is not None
                self.only_truth += 1
                yield truth[1], None
                truth = next(ours, None)
            elif truth is None or judged[0] < truth[0]:
                self.only_judged += 1
                yield None, judged[1]
                judged = next(theirs, None)
            else:
                self.pairs += 1
                yield truth[1], judged[1]
                truth, judged = next(ours, None), next(theirs, None)
        fewer = self.pairs + min(self.only_truth, self.only_judged)
        if fewer == 0:
            if not self.only_truth and not self.only_judged:
                return
            raise self._differ("one of them has no frames")
        if self.pairs == 0 or (not self._known and self.pairs < _SHARED * fewer):
            raise self._differ(f"of {fewer} frames only {self.pairs} are shown at the same time in both")

    def _differ(self, how: str) -> RecordsDiffer:
        return RecordsDiffer(
            f"{self._truth.path} and {self._judged.path} are of different recordings: {how}",
            hint="compare records of the same recording, not of a copy that was encoded anew",
        )


def _ticks(
    truth: StoredRecords, judged: StoredRecords, on_read: Callable[[float], None] | None
) -> Iterator[Iterator[tuple[int, Line]]]:
    """Of each file its lines with their times, in whole ticks of a clock that suits both."""
    clock = lcm(*(part.denominator for stored in (truth, judged) for part in (stored.time_base, stored.shift_s)))
    for stored in (truth, judged):
        lines = stored.frames(on_read=on_read if stored is truth else None)
        yield _in_order(stored, lines, int(stored.time_base * clock), int(stored.shift_s * clock))


def _in_order(stored: StoredRecords, lines: Iterator[Line], tick: int, shift: int) -> Iterator[tuple[int, Line]]:
    before: int | None = None
    for line in lines:
        at = line["pts"] * tick + shift
        if before is not None and at <= before:
            raise StreamerError(
                f"{stored.path}: frame {line['frame']} is not after the one before it",
                hint="were lines moved, or files joined?",
            )
        before = at
        yield at, line
