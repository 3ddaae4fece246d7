"""Removes events that are older than they are to be kept, with their pictures and clips."""

from __future__ import annotations

import glob
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from streamer.errors import OutputWriteFailed
from streamer.events.event import Event
from streamer.events.store import EventStore
from streamer.redact import redact
from streamer.sinks.retention import file_stem

log = logging.getLogger(__name__)

_EVERY_S = 60.0
_HOUR_S = 3600.0


class EventRetention:
    """Looks once a minute, in a thread of its own, until closed. What has not been delivered yet stays."""

    def __init__(
        self,
        store: EventStore,
        keep_hours: Mapping[str, float],
        *,
        every_s: float = _EVERY_S,
        utc: Callable[[], float] = time.time,
    ) -> None:
        """``keep_hours`` says by camera how long after their end events are kept."""
        self._store, self._keep_hours, self._every_s, self._utc = store, dict(keep_hours), every_s, utc
        self._told: set[str] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="event-retention", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._closed.set()
        self._thread.join(1.0)

    def _work(self) -> None:
        while True:
            for camera, hours in self._keep_hours.items():
                try:
                    self._tidy(camera, self._utc() - hours * _HOUR_S)
                except OutputWriteFailed as error:
                    self._say_once(redact(str(error)))
            if self._closed.wait(self._every_s):
                return

    def _tidy(self, camera: str, before_utc: float) -> None:
        while not self._closed.is_set() and (gone := self._store.forget(camera, before_utc)):
            for event in gone:
                for problem in remove_files(self._store.path.parent, event):
                    self._say_once(problem)

    def _say_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            log.warning("%s", text)


def remove_files(folder: Path, event: Event) -> list[str]:
    """Remove the pictures and clips of an event; what could not be removed, and why."""
    problems = []
    for path in (folder / file_stem(event.camera)).glob(f"{glob.escape(event.id)}*"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            problems.append(f"old events: cannot remove {path}: {error.strerror or error}")
    return problems
