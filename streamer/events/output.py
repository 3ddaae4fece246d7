"""An output that makes events of annotated frames, with snapshots and clips beside the file of events."""

from __future__ import annotations

import logging
import math
import os
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np

from streamer.errors import OutputWriteFailed, StreamerError
from streamer.events.clips import ClipCutter, Clips
from streamer.events.event import Event
from streamer.events.retention import remove_strays
from streamer.events.store import EventStore
from streamer.events.tracker import Change, EventTracker
from streamer.frame import Frame
from streamer.redact import redact
from streamer.sinks.retention import file_stem
from streamer.stages import Annotated, OutputStatus, State

log = logging.getLogger(__name__)

_JPEG_QUALITY = 90
_AGAIN_S = 1.0
"""How often it is tried to write what could not be written."""
_MOST_UNWRITTEN = 1000
"""Changes that are kept in memory meanwhile."""
_ABANDON_S = 3.0
_NOTE_S = 5.0
"""How often it is noted that an event goes on: a process that is killed leaves it that exactly."""


class EventsOutput:
    """Implements ``stages.Sink``; to be used within :class:`~streamer.sinks.queued.Queued` where frames do not wait.

    Each change of an event is in the store before the next frame is looked at. While the store cannot be written, as on a full
    disk, changes wait in memory, in order, and are written when it can be again. A snapshot that cannot be written costs the
    snapshot. Both are told.
    """

    def __init__(
        self,
        folder: Path,
        camera: str,
        store: EventStore,
        tracker: EventTracker,
        *,
        clips: Clips | None = None,
        pre_capture_s: float = 5.0,
        post_capture_s: float = 10.0,
        utc_of: Callable[[Frame], float] = lambda frame: time.time() if frame.utc_s is None else frame.utc_s,
        patience_s: float = _ABANDON_S,
    ) -> None:
        """Ends what a process that was killed had left open, and removes what it had left beside it.

        ``utc_of`` says when a frame was taken, seconds since 1970; ``patience_s`` is what clips may take at the end.
        """
        self.name = f"events {folder}"
        self._folder = folder / file_stem(camera)
        self._camera = camera
        self._store, self._tracker, self._utc_of = store, tracker, utc_of
        self._patience_s = patience_s
        self._frames = self._dropped = 0
        self.lost: Counter[str] = Counter()
        """What could not be written until the end, by kind."""
        self._state, self._error = State.STARTING, ""
        self._noted_s = -math.inf
        self._unwritten: deque[Event] = deque()
        self._tried_s = -math.inf
        self._clips = None if clips is None else ClipCutter(self._folder, store, clips, pre_capture_s, post_capture_s)
        for event in store.open_events(camera):
            log.warning("%s: the event %s was left open and is ended where it was seen last", camera, event.id)
            if self._clips is not None:
                self._clips.begin(event)
            self._keep(self._ended(event.ended(event.start_utc if event.seen_utc is None else event.seen_utc, None)))
        self._write_kept()
        for problem in remove_strays(self._folder, store.ids()):
            log.warning("%s", problem)

    def write(self, item: Annotated) -> None:
        """Look at the next frame."""
        frame = item.frame
        zones = () if item.facts is None else item.facts.zones
        found = item.instances
        for change in self._tracker.update(found, zones, frame.time_s, self._utc_of(frame), (frame.width, frame.height)):
            self._tell(change, item)
        self._frames += 1
        if self._unwritten and abs(frame.time_s - self._tried_s) >= _AGAIN_S:
            self._tried_s = frame.time_s
            self._write_kept()
        current = self._tracker.current
        if current is not None and abs(frame.time_s - self._noted_s) >= _NOTE_S:
            self._noted_s = frame.time_s
            with suppress(OutputWriteFailed):  # told where a change cannot be written
                self._store.amend(current)

    def finish(self) -> None:
        """End what goes on, and cut the clips that can be cut by now."""
        for change in self._tracker.finish():
            self._tell(change, None)
        if self._clips is not None:
            self._clips.finish(self._patience_s)
            self.lost["clips"] = self._clips.lost
        self.lost["changes"] += len(self._unwritten)
        if self._unwritten:
            self._dropped += len(self._unwritten)
            ids = ", ".join(dict.fromkeys(event.id for event in self._unwritten))
            log.error("%s: %d changes were never written, of %s", self.name, len(self._unwritten), ids)
            self._unwritten.clear()
        self._state = State.ENDED

    def abandon(self) -> None:
        """The same, but clips that take long are left out: each change is true by itself."""
        self._patience_s = min(self._patience_s, _ABANDON_S)
        try:
            self.finish()
        except StreamerError as error:
            log.error("%s: %s", self.name, redact(str(error)))  # noqa: TRY400  # one line

    def status(self) -> OutputStatus:
        """From any thread: how it is doing."""
        return OutputStatus(
            name=self.name, state=self._state, frames=self._frames, dropped=self._dropped, error=redact(self._error)
        )

    def _tell(self, change: Change, item: Annotated | None) -> None:
        event = change.event
        if event.kind == "new" and self._clips is not None:
            self._clips.begin(event)
        if event.kind == "end":
            event = self._ended(event)
        if change.view is not None and item is not None:
            event = self._picture(event, item)
        self._keep(event)
        self._write_kept()

    def _ended(self, event: Event) -> Event:
        """The end of an event, with the clip that it will have."""
        if self._clips is None:
            return event
        self._clips.end(event)
        return replace(event, clip=self._clips.target(event))

    def _keep(self, event: Event) -> None:
        """A change is to be written, after those that could not be."""
        last = self._unwritten[-1] if self._unwritten else None
        if last is not None and last.id == event.id and last.kind == event.kind == "update":
            self._unwritten[-1] = event  # which says all that the other said
            return
        if len(self._unwritten) >= _MOST_UNWRITTEN:
            self._unwritten.popleft()
            self._dropped += 1
        self._unwritten.append(event)

    def _write_kept(self) -> None:
        while self._unwritten:
            event = self._unwritten[0]
            try:
                self._record(event)
            except OutputWriteFailed as error:
                if self._state is not State.RECONNECTING:
                    log.error("%s: %s", self.name, redact(str(error)), extra={"output": self.name})  # noqa: TRY400  # one line
                self._state, self._error = State.RECONNECTING, str(error)
                return
            self._unwritten.popleft()
            if event.kind == "end" and event.clip is not None and self._clips is not None:
                self._clips.add(event)
        if self._state is State.RECONNECTING:
            log.info("%s: can be written again", self.name, extra={"output": self.name})
        self._state, self._error = State.RUNNING, ""

    def _record(self, event: Event) -> None:
        """Write a change; on a disk that is full of footage, once more. Raises ``OutputWriteFailed``."""
        try:
            self._store.record(event)
        except OutputWriteFailed:
            if self._clips is None or not self._clips.make_room():
                raise
            self._store.record(event)

    def _picture(self, event: Event, item: Annotated) -> Event:
        """The event with this frame as its snapshots."""
        named = self._folder / f"{event.id}.jpg", self._folder / f"{event.id}-clean.jpg"
        try:
            for path, picture in zip(named, (item.drawn(), item.clean()), strict=True):
                self._write_jpeg(path, replace(item.frame, picture=picture).rgb())
        except (OSError, cv2.error, av.error.FFmpegError) as error:
            self._dropped += 1
            log.error("%s: the snapshot of %s cannot be written: %s", self.name, event.id, error)  # noqa: TRY400  # one line
            return event
        event = replace(event, snapshot=named[0], clean_snapshot=named[1])
        self._tracker.pictured(event)
        return event

    def _write_jpeg(self, path: Path, rgb: np.ndarray) -> None:
        try:
            _write_jpeg(path, rgb)
        except OSError:
            if self._clips is None or not self._clips.make_room():
                raise
            _write_jpeg(path, rgb)


def _write_jpeg(path: Path, rgb: np.ndarray) -> None:
    """Whole or not at all: a receiver may read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data.tobytes())
        os.replace(part, path)  # noqa: PTH105  # one call that is known to be atomic
    finally:
        part.unlink(missing_ok=True)
