"""Reads the file of events: what happened, without writing anything."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from streamer.errors import ConfigError, OutputWriteFailed
from streamer.events.event import Event
from streamer.events.query import EventQuery
from streamer.events.schema import check_readable

BUSY_S = 10.0
"""How long another process may hold the file, such as ``streamer events`` beside a run."""
_ALL = EventQuery()


@dataclass(frozen=True, slots=True)
class Names:
    """What events can be asked for, each sorted."""

    cameras: tuple[str, ...]
    classes: tuple[str, ...]
    zones: tuple[str, ...]


class EventReader:
    """The events of a file, of a run that may go on. Any thread may call it; it waits for no one who writes."""

    def __init__(self, path: Path, *, busy_s: float = BUSY_S) -> None:
        """Raises ``ConfigError`` for a file that is not there, is none of events, or is of a newer streamer."""
        self.path = path
        self._reading = threading.Lock()
        try:
            self._reader = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=busy_s, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise ConfigError(f"cannot open the events in {path}: {error}", hint="check the path and its rights") from error
        try:
            check_readable(self._reader, str(path))
        except sqlite3.Error as error:
            self._reader.close()
            raise ConfigError(f"cannot read the events in {path}: {error}", hint="give another folder") from error
        except BaseException:
            self._reader.close()
            raise

    def get(self, event_id: str) -> Event | None:
        """The event as its last change said it."""
        found = self._rows("SELECT body FROM events WHERE id = ?", (event_id,))
        return self._events(found)[0] if found else None

    def wanted(self, event_id: str) -> Event:
        """The same. Raises ``ConfigError`` where there is none."""
        event = self.get(event_id)
        if event is None:
            raise ConfigError(f"there is no event {event_id} in {self.path.parent}", hint="streamer events list shows them")
        return event

    def events(self, query: EventQuery = _ALL, limit: int = 100) -> list[Event]:
        """The newest events of those that are asked for, newest first."""
        where, values = query.where()
        return self._events(self._rows(f"SELECT body FROM events WHERE {where} ORDER BY id DESC LIMIT ?", [*values, limit]))

    def all_events(self, query: EventQuery = _ALL) -> Iterator[Event]:
        """All events that are asked for, oldest first, a thousand at a time."""
        where, values = query.where()
        after = ""
        while rows := self._rows(f"SELECT body FROM events WHERE {where} AND id > ? ORDER BY id LIMIT 1000", [*values, after]):
            found = self._events(rows)
            yield from found
            after = found[-1].id

    def ids(self) -> set[str]:
        """Of all events."""
        return {str(event_id) for (event_id,) in self._rows("SELECT id FROM events", ())}

    def open_events(self, camera: str | None = None) -> list[Event]:
        """Events that have not ended, of one camera or of all, oldest first."""
        among = "" if camera is None else "AND camera = ?"
        values = () if camera is None else (camera,)
        return self._events(self._rows(f"SELECT body FROM events WHERE end_utc IS NULL {among} ORDER BY id", values))

    def last_snapshot(self, camera: str) -> Path | None:
        """The picture of the newest event of a camera that has one."""
        return next(
            (event.snapshot for event in self.events(EventQuery(camera=camera), 20) if event.snapshot is not None), None
        )

    def names(self) -> Names:
        """The cameras, classes and zones that events have. Reads all of them."""
        cameras = self._rows("SELECT DISTINCT camera FROM events", ())
        classes, zones = (
            self._rows(f"SELECT DISTINCT value FROM events, json_each(body, '$.{key}')", ()) for key in ("classes", "zones")
        )
        return Names(*(tuple(sorted(str(name) for (name,) in rows)) for rows in (cameras, classes, zones)))

    def close(self) -> None:
        """Close the file. Calls after it raise ``OutputWriteFailed``."""
        with self._reading:
            self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._reading, self._failures("read"):
            return self._reader.execute(query, values).fetchall()

    def _events(self, rows: Sequence[tuple[Any, ...]]) -> list[Event]:
        try:
            return [Event.from_json(json.loads(body)) for (body,) in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise OutputWriteFailed(
                f"an event in {self.path} cannot be read: {error!r}", hint="the file was edited, or is damaged"
            ) from error

    @contextmanager
    def _failures(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OutputWriteFailed(
                f"the events in {self.path} cannot be {doing}: {error}", hint="make room on the disk, or mend the file"
            ) from error
