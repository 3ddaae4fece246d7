"""The events of a recording: the same as live, with clips cut from the recording itself."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from streamer.config.events import EventOptions
from streamer.errors import ConfigError, OutputRefused, OutputWriteFailed
from streamer.events.from_settings import event_rules
from streamer.events.output import EventsOutput
from streamer.events.query import EventQuery
from streamer.events.retention import remove_files
from streamer.events.store import EVENTS_FILE, EventStore, make_folder
from streamer.events.tracker import EventTracker
from streamer.recording.file_clip import cut_file
from streamer.sinks.containers import CONTAINERS
from streamer.sources.video import VideoFile
from streamer.stages import Annotated

log = logging.getLogger(__name__)

_PATIENCE_S = 3600.0
_NEAR_S = 0.001
"""Times of events are as exact as a double of seconds since 1970."""


class RecordedEvents:
    """Implements ``stages.Sink``: makes the events of a recording, under the name of its file.

    Raises ``ConfigError`` for a folder that cannot be used, and ``OutputRefused`` where it holds events of that name already
    and they must not be replaced.
    """

    def __init__(
        self,
        config: EventOptions,
        folder: Path,
        source: VideoFile,
        class_name: Callable[[int], str],
        *,
        clips: bool,
        overwrite: bool,
    ) -> None:
        """``clips``: whether the recording's own pictures may be kept."""
        if source.still:
            raise ConfigError(f"{source.name} is a picture: events need a recording", hint="leave out events")
        self.path = folder / EVENTS_FILE
        name = Path(source.name).name
        make_folder(folder)
        self._store = EventStore(self.path)
        self._events: EventsOutput | None = None
        if not overwrite and self._store.events(EventQuery(camera=name), 1):
            self._store.close()
            raise OutputRefused(f"{folder} holds events of {name} already", hint="give another folder, or --overwrite")
        self._notes: list[str] = []
        if not clips:
            self._notes.append("events have no clips: the recording's own pictures show what privacy covers")
        elif not source.is_file:
            self._notes.append("events have no clips: the input cannot be read a second time")
        if source.taken_utc_s is None:
            self._notes.append(
                "the recording does not say when it was taken: times of its events count from 1970-01-01T00:00:00Z"
            )
        began_utc = source.taken_utc_s or 0.0
        self._clips = _FileClips(source, began_utc) if clips and source.is_file else None

        def make() -> EventsOutput:
            return EventsOutput(
                folder,
                name,
                self._store,
                EventTracker(name, event_rules(config), class_name),
                clips=self._clips,
                pre_capture_s=config.event_pre_capture,
                post_capture_s=config.event_post_capture,
                utc_of=lambda frame: began_utc + frame.time_s,
                patience_s=_PATIENCE_S,
            )

        self.name = f"events {folder}"
        self._camera, self._make = name, make

    @property
    def notes(self) -> list[str]:
        """What people should know of the events, one sentence each; of clips once they were cut."""
        short = 0 if self._clips is None else self._clips.short
        if not short:
            return list(self._notes)
        clips = "1 clip is" if short == 1 else f"{short} clips are"
        return [*self._notes, f"{clips} shorter than asked: the recording begins or ends there"]

    def write(self, item: Annotated) -> None:
        """Look at the next frame. With the first one earlier events of this name go: a run that fails before leaves them."""
        if self._events is None:
            self._make_way()
            self._events = self._make()
        self._events.write(item)

    def finish(self) -> None:
        """End what goes on, cut the clips, and close the file.

        Raises ``OutputWriteFailed`` where a change, a picture or a clip could not be written.
        """
        try:
            if self._events is not None:
                self._events.finish()
                self._refuse_losses(self._events.lost)
        finally:
            self._store.close()

    def abandon(self) -> None:
        """End what goes on; clips that are not cut by now are left out. Each event is true by itself."""
        if self._events is not None:
            self._events.abandon()
        self._store.close()

    def _refuse_losses(self, lost: Counter[str]) -> None:
        pictures = sum(event.snapshot is None for event in self._store.all_events(EventQuery(camera=self._camera)))
        told = [f"{count} {what}" for what, count in (lost + Counter(pictures=pictures)).items()]
        if told:
            raise OutputWriteFailed(
                f"the events in {self.path.parent} lack {', '.join(told)}", hint="check the disk, and run again"
            )

    def _make_way(self) -> None:
        while gone := self._store.forget(self._camera, math.inf, open_too=True):
            for event in gone:
                for problem in remove_files(self.path.parent, event):
                    log.warning("%s", problem)


class _FileClips:
    """Implements ``clips.Clips``: all of the recording is there."""

    recorded_until_utc_s = math.inf

    def __init__(self, source: VideoFile, began_utc: float) -> None:
        self._source, self._began_utc = source, began_utc
        self.short = 0
        """Clips that hold less than was asked for, because the recording does."""

    def hold(self, since_utc_s: float) -> None:
        pass

    def release(self, until_utc_s: float) -> None:
        pass

    def make_room(self, folder: Path) -> bool:  # noqa: ARG002  # it has no footage to give
        return False

    def clip(self, start_utc_s: float, end_utc_s: float, target: Path) -> Path | None:
        source = self._source
        suffix = Path(source.path).suffix.lower()
        target = target.with_suffix(suffix if suffix in CONTAINERS else ".mkv")
        to_file = float(source.shift_s) - self._began_utc
        span = cut_file(
            source.path, source.stream_index, start_utc_s + to_file, end_utc_s + to_file, target, began_utc_s=-to_file
        )
        if span is None:
            return None
        self.short += span[0] > start_utc_s + to_file + _NEAR_S or span[1] < end_utc_s + to_file - _NEAR_S
        return target
