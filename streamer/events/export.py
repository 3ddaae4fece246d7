"""Events as tables and lines for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator

from streamer.events.event import Event
from streamer.runtime.utc import iso_utc

COLUMNS = (
    "id",
    "camera",
    "start_time",
    "end_time",
    "seconds",
    "classes",
    "scores",
    "zones",
    "tracks",
    "snapshot",
    "clean_snapshot",
    "clip",
)
"""Of the CSV: times in UTC; several values of a cell are separated by semicolons."""


def csv_lines(events: Iterable[Event]) -> Iterator[str]:
    """A header, and a line for each event, with their line ends."""
    yield _row(COLUMNS)
    for event in events:
        ended = event.end_utc
        yield _row(
            (
                event.id,
                event.camera,
                iso_utc(event.start_utc),
                "" if ended is None else iso_utc(ended),
                "" if ended is None else f"{ended - event.start_utc:.3f}",
                ";".join(event.classes),
                ";".join(f"{score:.4f}" for score in event.scores),
                ";".join(event.zones),
                ";".join(map(str, event.track_ids)),
                *("" if path is None else str(path) for path in (event.snapshot, event.clean_snapshot, event.clip)),
            )
        )


def json_lines(events: Iterable[Event]) -> Iterator[str]:
    """A line of JSON for each event, as ``Event.as_json`` has it."""
    for event in events:
        yield json.dumps(event.as_json(), ensure_ascii=False) + "\n"


def _row(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
