"""Counts of zones and lines as CSV: a row for each minute, place and class in which something happened, and totals."""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from streamer.analysis.totals import MINUTE_S, Row, Totals
from streamer.errors import OutputWriteFailed
from streamer.sinks.atomic import PendingFile
from streamer.sinks.records import open_new
from streamer.stages import Annotated, OutputStatus

HEADER = ("minute", "kind", "name", "class", "in", "out", "dwell_s")
_LATE_S = 120.0
"""A minute is written so long after its end: when something happened is known later than it happened."""


class Counts:
    """Implements ``stages.Sink``. Minutes are appended once they are over, totals at the end; what is there is true.

    ``whole``: a file gets its name at the end, or never, and one that is there stays until then. Pipes and devices are written
    to as ever. Raises ``OutputRefused`` at construction when the file exists or cannot be written.
    """

    name = "counts"

    def __init__(self, path: str | os.PathLike[str], totals: Totals, *, overwrite: bool = False, whole: bool = False) -> None:
        self.path = Path(path)
        self._totals = totals
        special = self.path.exists() and not self.path.is_file()
        self._pending = PendingFile(self.path, overwrite=overwrite) if whole and not special else None
        self._fd: int | None
        if self._pending is None:
            self._fd, self._created = open_new(self.path, overwrite=overwrite, what="counts")
        else:
            self._fd, self._created = open_new(self._pending.temporary, overwrite=True, what="counts")
        self._begun = False
        self._minute = 0
        self._frames = 0

    def write(self, item: Annotated) -> None:
        """Write the minutes that are over. Raises ``OutputWriteFailed``."""
        self._begin()
        self._frames += 1
        minute = int((item.frame.time_s - _LATE_S) // MINUTE_S)
        if minute > self._minute:
            self._minute = minute
            self._append(self._totals.take_minutes(minute))

    def finish(self) -> None:
        """Write the rest and the totals, and close the file.

        Raises ``OutputWriteFailed``, or ``OutputRefused`` where the name of a ``whole`` file was taken meanwhile.
        """
        self._begin()
        self._append([*self._totals.take_minutes(), *self._totals.rows()])
        self._close()
        if self._pending is not None:
            self._pending.commit()

    def abandon(self) -> None:
        """Close the file. The rows that are there stay; without any, and where it was to be ``whole``, it goes."""
        if self._fd is not None:
            self._close()
            if self._created and not self._begun:
                self.path.unlink(missing_ok=True)
        if self._pending is not None:
            self._pending.discard()

    def status(self) -> OutputStatus:
        """From any thread: how it is doing."""
        size = self.path.stat().st_size if self.path.exists() else 0
        return OutputStatus(name=self.name, frames=self._frames, bytes=size)

    def _begin(self) -> None:
        if not self._begun and self._fd is not None:
            self._begun = True
            if stat.S_ISREG(os.fstat(self._fd).st_mode):
                os.ftruncate(self._fd, 0)
            self._put(as_csv([], header=True))

    def _append(self, rows: list[Row]) -> None:
        if rows:
            self._put(as_csv(rows))

    def _put(self, text: str) -> None:
        if self._fd is None:
            raise ValueError(f"{self.path} is closed")
        try:
            rest = memoryview(text.encode("utf-8", "replace"))
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise OutputWriteFailed(
                f"cannot write counts to {self.path}: {error.strerror}", hint="make room or write elsewhere"
            ) from error

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)


def write_counts(path: str | os.PathLike[str], totals: Totals, *, overwrite: bool = False) -> None:
    """Write all at once. Raises ``OutputRefused`` and ``OutputWriteFailed``."""
    counts = Counts(path, totals, overwrite=overwrite, whole=True)
    try:
        counts.finish()
    finally:
        counts.abandon()


def as_csv(rows: Iterable[Row], *, header: bool = False) -> str:
    """Rows as lines of CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(HEADER)
    for row in rows:
        minute = "total" if row.minute is None else f"{row.minute // 60:02}:{row.minute % 60:02}"
        dwell = f"{row.counted.dwell_s:.3f}" if row.kind == "zone" else ""
        writer.writerow([minute, row.kind, row.place, row.class_name, row.counted.into, row.counted.out, dwell])
    return text.getvalue()
