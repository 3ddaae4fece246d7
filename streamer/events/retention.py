"""Removes events that are older than they are to be kept, with their pictures and clips."""

from __future__ import annotations

import glob
import logging
import re
import threading
import time
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path

from streamer.errors import OutputWriteFailed
from streamer.events.event import Event
from streamer.events.store import EventStore
from streamer.redact import redact
from streamer.sinks.retention import file_stem

log = logging.getLogger(__name__)

_EVERY_S = 60.0
_HOUR_S = 3600.0
_STRAY = re.compile(r"\.?([0-9A-Z]{26})(?:(?:-clean)?\.jpg(?:\.part)?|(?:-\d+)?\.(?:partial\.\w+|\w+\.partial))", re.ASCII)
"""A picture of the event of that id, or a hidden file that becomes one or a clip."""


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
    return _removed((folder / file_stem(event.camera)).glob(f"{glob.escape(event.id)}*"))


def remove_strays(folder: Path, events: Container[str]) -> list[str]:
    """Remove pictures, and files that were not written to their end, of ids that are not among ``events``.

    A process that was killed leaves them: a picture is there before its event is in the file of events. What could not be
    removed, and why.
    """
    named = ((path, _STRAY.fullmatch(path.name)) for path in (folder.iterdir() if folder.is_dir() else ()))
    return _removed(path for path, found in named if found is not None and found[1] not in events)


def _removed(paths: Iterable[Path]) -> list[str]:
    problems = []
    for path in list(paths):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            problems.append(f"old events: cannot remove {path}: {error.strerror or error}")
    return problems
