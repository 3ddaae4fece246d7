"""The clips of events: which footage is needed, and when it can be cut."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from streamer.errors import StreamerError
from streamer.events.event import Event
from streamer.events.store import EventStore
from streamer.redact import redact

log = logging.getLogger(__name__)

_LOOK_S = 0.5
_UNREADABLE_S = 1.0
"""The last seconds of a file that grows cannot be read yet."""
_MORE_S = 2.0
"""What is recorded beyond the end of a clip, so that the end can be read."""
_PATIENCE_S = 30.0
"""How much later than expected footage may come; a camera that is away for longer has sent nothing of the event's end."""


class Clips(Protocol):
    """Where clips are cut from: what is recorded of the same camera."""

    @property
    def recorded_until_utc_s(self) -> float | None:
        """Up to when footage is on the disk; None while there is none."""
        ...

    def hold(self, since_utc_s: float) -> None:
        """Footage is needed from then on, until further notice: for recordings that keep nothing else."""
        ...

    def release(self, until_utc_s: float) -> None:
        """Footage is needed until then."""
        ...

    def clip(self, start_utc_s: float, end_utc_s: float, target: Path) -> Path | None:
        """Cut one; None where nothing of that time was recorded. Blocks while it copies. Raises ``OutputWriteFailed``."""
        ...

    def make_room(self, folder: Path) -> bool:
        """Where the disk of ``folder`` is full of footage, remove the oldest; whether that was so."""
        ...


class ClipCutter:
    """Cuts the clips of events that have ended, each once its footage is on the disk. In a thread of its own."""

    def __init__(
        self,
        folder: Path,
        store: EventStore,
        clips: Clips,
        pre_s: float,
        post_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``pre_s`` and ``post_s``: seconds of a clip before and after the event."""
        self._folder, self._store, self._clips = folder, store, clips
        self._pre_s, self._post_s, self._clock = pre_s, post_s, clock
        self.lost = 0
        """Clips that could not be written."""
        self._waiting: deque[tuple[Event, float]] = deque()
        """Events and when they were added."""
        self._awake, self._finishing = threading.Event(), False
        self._thread = threading.Thread(target=self._work, name="event-clips", daemon=True)
        self._thread.start()

    def target(self, event: Event) -> Path:
        """Where the clip of an event will be: it is told with the end, when there is nothing to be cut yet."""
        return self._folder / f"{event.id}.mp4"

    def begin(self, event: Event) -> None:
        """An event has begun: its footage is needed."""
        self._clips.hold(event.start_utc - self._pre_s)

    def end(self, event: Event) -> None:
        """An event has ended: footage is needed for a little longer."""
        assert event.end_utc is not None
        self._clips.release(event.end_utc + self._post_s + _MORE_S)

    def make_room(self) -> bool:
        """Something of an event cannot be written: where footage fills the disk, the oldest goes; whether that was so."""
        return self._clips.make_room(self._folder.parent)

    def add(self, event: Event) -> None:
        """Cut the clip of an event that has ended."""
        self._waiting.append((event, self._clock()))
        self._awake.set()

    def finish(self, timeout_s: float) -> None:
        """Cut what can be cut now, in ``timeout_s`` seconds: the recording ends, and more will not come."""
        self._finishing = True
        self._awake.set()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while not (self._finishing and not self._waiting):
            self._awake.wait(_LOOK_S if self._waiting else None)
            self._awake.clear()
            while self._waiting and (self._finishing or self._is_there(*self._waiting[0])):
                self._cut(self._waiting.popleft()[0])

    def _is_there(self, event: Event, added_at: float) -> bool:
        until = self._clips.recorded_until_utc_s
        if until is not None and event.end_utc is not None and until >= event.end_utc + self._post_s + _UNREADABLE_S:
            return True
        return self._clock() - added_at >= self._post_s + _PATIENCE_S

    def _cut(self, event: Event) -> None:
        assert event.end_utc is not None
        try:
            target = self.target(event)
            target.parent.mkdir(parents=True, exist_ok=True)
            path = self._clip(event.start_utc - self._pre_s, event.end_utc + self._post_s, target)
            if path is None:
                log.warning("%s: nothing was recorded at the time of the event %s: it has no clip", event.camera, event.id)
            if path != event.clip:
                self._store.amend(replace(event, clip=path))
        except (StreamerError, OSError) as error:
            self.lost += 1
            log.error("%s: no clip of the event %s: %s", event.camera, event.id, redact(str(error)))  # noqa: TRY400  # one line

    def _clip(self, start_utc_s: float, end_utc_s: float, target: Path) -> Path | None:
        try:
            return self._clips.clip(start_utc_s, end_utc_s, target)
        except StreamerError:
            if not self.make_room():
                raise
            return self._clips.clip(start_utc_s, end_utc_s, target)
