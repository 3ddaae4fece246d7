"""What happened before the cameras of a run, as pages show it: read from the files of events, nothing is written."""

from __future__ import annotations

import heapq
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import av
import av.error
import cv2
import numpy as np

from streamer.errors import ConfigError, StreamerError
from streamer.events.event import Event
from streamer.events.query import EventQuery
from streamer.events.reader import EventReader
from streamer.events.store import EVENTS_FILE
from streamer.recording.segment_file import read_start_note
from streamer.redact import redact
from streamer.runtime.utc import parse_utc
from streamer.sinks.moments import lines_between
from streamer.sinks.retention import file_stem
from streamer.sinks.stored import StoredRecords
from streamer.web.objects import drawable

log = logging.getLogger(__name__)

T = TypeVar("T")
Picture = Literal["drawn", "clean"]

_BUSY_S = 2.0
_ID = re.compile("[0-9A-HJKMNP-TV-Z]{26}")
_KINDS = frozenset({".mp4", ".mov", ".mkv"})
THUMBNAIL_WIDTH = 480
_QUALITY = 80
MOST_RECORDS_S = 10.0
"""Seconds of a clip whose records are told at once."""
_NEAR_S = 0.5
"""Records so far outside of what was asked for may be the nearest to a picture in it."""


@dataclass(frozen=True, slots=True)
class EventCamera:
    """What the pages have to know of a camera that makes events."""

    folder: Path
    """Where its events are."""
    covered: bool = False
    """Whether something of it must not be seen: a clip is of the camera's own pictures, and stays here."""
    records: Path | None = None
    """The file of what was found in each picture; None where none is written."""


@dataclass(frozen=True, slots=True)
class ClipPart:
    """One file of a clip: there are several where the camera changed its picture meanwhile."""

    path: Path
    codec: str
    seconds: float
    start_utc_s: float | None
    """Seconds since 1970 of its beginning; None where the file does not say."""


class EventLibrary:
    """The events of all cameras of a run. Its calls wait for the disk: they are for a thread that may.

    Those about one event raise ``StreamerError`` where a file of events cannot be read.
    """

    def __init__(self, cameras: Mapping[str, EventCamera]) -> None:
        self.cameras = dict(cameras)
        self._folders = list(dict.fromkeys(camera.folder for camera in cameras.values()))

    def page(self, query: EventQuery, limit: int) -> dict[str, object]:
        """The newest events that are asked for as JSON, newest first; whether there are more; what could not be read."""
        among = [self.cameras[query.camera].folder] if query.camera in self.cameras else self._folders
        found, problems = self._ask(among, lambda reader: reader.events(query, limit + 1))
        events = list(heapq.merge(*found, key=lambda event: event.id, reverse=True))
        return {
            "events": [self._told(event) for event in events[:limit]],
            "more": len(events) > limit,
            "problems": problems,
        }

    def names(self) -> dict[str, object]:
        """What can be asked for: cameras, classes and zones of the events that there are, and all cameras that make some."""
        found, problems = self._ask(self._folders, lambda reader: reader.names())
        return {
            "cameras": sorted({*self.cameras, *(name for names in found for name in names.cameras)}),
            "classes": sorted({name for names in found for name in names.classes}),
            "zones": sorted({name for names in found for name in names.zones}),
            "problems": problems,
        }

    def event(self, event_id: str) -> dict[str, object] | None:
        """All that is told of one event; None where there is none."""
        found = self._find(event_id)
        if found is None:
            return None
        folder, event = found
        parts = [] if self._is_covered(event) else list(_clip_parts(folder, event))
        clip = [{"codec": part.codec, "seconds": round(part.seconds, 3), "bytes": part.path.stat().st_size} for part in parts]
        return {**self._told(event), "clip": clip, "objects": event.as_json()["objects"], "tracks": len(event.track_ids)}

    def snapshot(self, event_id: str, kind: Picture) -> Path | None:
        """The file of an event's picture; None where there is none."""
        found = self._find(event_id)
        if found is None:
            return None
        folder, event = found
        return _inside(folder, event, f"{event.id}.jpg" if kind == "drawn" else f"{event.id}-clean.jpg")

    def thumbnail(self, event_id: str) -> bytes | None:
        """The drawn picture as a small JPEG; None where there is none, or it cannot be read."""
        path = self.snapshot(event_id, "drawn")
        try:
            return None if path is None else _small(path, path.stat().st_mtime_ns)
        except OSError:  # removed just now
            return None

    def clip(self, event_id: str, part: int) -> Path | None:
        """The file of a part of the clip, from 1; None where there is none, or it must not be seen."""
        found = self._find(event_id)
        return None if found is None else self._clip_file(*found, part)

    def records(self, event_id: str, part: int, from_s: float, to_s: float) -> dict[str, object] | None:
        """What was found in the pictures of a part of the clip from ``from_s`` to ``to_s``, seconds of it, and shortly around.

        ``why_not`` says why there is nothing to draw. None where there is no such part.
        """
        found = self._find(event_id)
        path = None if found is None else self._clip_file(*found, part)
        if found is None or path is None:
            return None
        camera = self.cameras.get(found[1].camera)
        if camera is None or camera.records is None:
            return _nothing("no records of this camera are kept: detections in the settings keeps them")
        read = _part(path)
        if read is None or read.start_utc_s is None:
            return _nothing("the clip does not say when it began")
        try:
            return _between(camera.records, read.start_utc_s, from_s, min(to_s, from_s + MOST_RECORDS_S))
        except ConfigError:
            return _nothing("the records of this camera do not say where objects were")
        except StreamerError as error:
            log.debug("records of %s: %s", event_id, redact(str(error)))
            return _nothing("the records of this camera cannot be read")

    def _find(self, event_id: str) -> tuple[Path, Event] | None:
        """The event and its folder. Raises ``StreamerError`` where it may be in a file that cannot be read."""
        if not _ID.fullmatch(event_id):
            return None
        problems: list[str] = []
        for folder in self._folders:
            found, unread = self._ask([folder], lambda reader: reader.get(event_id))
            problems += unread
            for event in found:
                if event is not None:
                    return folder, event
        if problems:
            raise StreamerError("; ".join(problems))
        return None

    def _clip_file(self, folder: Path, event: Event, part: int) -> Path | None:
        """A file of the clip, from 1; None where there is none, or it must not be seen."""
        return None if self._is_covered(event) else dict(enumerate(_clip_files(folder, event), start=1)).get(part)

    def _ask(self, folders: list[Path], ask: Callable[[EventReader], T]) -> tuple[list[T], list[str]]:
        """The answers of the files of ``folders``, and which files could not be read. Each is opened anew: one that was moved
        away, mended or made meanwhile is read as it is now."""
        answers: list[T] = []
        problems = []
        for folder in folders:
            path = folder / EVENTS_FILE
            if not path.exists():
                continue  # nothing has happened yet
            try:
                with EventReader(path, busy_s=_BUSY_S) as reader:
                    answers.append(ask(reader))
            except StreamerError as error:
                named = ", ".join(name for name, camera in self.cameras.items() if camera.folder == folder)
                problems.append(f"the events of {named} cannot be read: {error.__cause__ or 'the log says why'}")
                log.warning("%s", redact(str(error)))
        return answers, problems

    def _is_covered(self, event: Event) -> bool:
        camera = self.cameras.get(event.camera)
        return camera is not None and camera.covered

    def _told(self, event: Event) -> dict[str, Any]:
        known = replace(event, objects=(), track_ids=()).as_json()
        told = {
            key: known[key] for key in ("id", "camera", "kind", "start_time", "end_time", "start_utc", "end_utc", "seen_utc")
        }
        return {
            **told,
            "classes": [{"name": name, "score": score} for name, score in zip(event.classes, known["scores"], strict=True)],
            "zones": known["zones"],
            "has_snapshot": event.snapshot is not None,
            "has_clip": event.clip is not None and not self._is_covered(event),
            "clip_stays": event.clip is not None and self._is_covered(event),
        }


def _nothing(why_not: str) -> dict[str, object]:
    return {"width": 0, "height": 0, "frames": [], "why_not": why_not}


def _between(records: Path, start_utc_s: float, from_s: float, to_s: float) -> dict[str, object]:
    stored = StoredRecords(records)
    width, height = stored.size
    frames = []
    for line in lines_between(records, start_utc_s + from_s - _NEAR_S, start_utc_s + to_s + _NEAR_S):
        found = stored.instances(line)
        zones = [one.get("zones", ()) for one in line["instances"]]
        at_s = (parse_utc(line["utc"]) or start_utc_s) - start_utc_s
        frames.append({"at": round(at_s, 3), "instances": drawable(found, stored.labels, zones, stored.size)})
    why_not = "" if frames else "nothing is recorded of what was found then"
    return {"width": width, "height": height, "frames": frames, "why_not": why_not}


def _inside(folder: Path, event: Event, name: str) -> Path | None:
    """The file of an event with that name; None where there is none. Nothing outside of the folder, whatever leads there."""
    path = folder / file_stem(event.camera) / name
    try:
        return path if path.is_file() and path.resolve().is_relative_to(folder.resolve()) else None
    except (OSError, ValueError, RuntimeError):
        return None


def _clip_files(folder: Path, event: Event) -> list[Path]:
    """The files of a clip, in their order. Their names are known: what the event says of paths may be of another place."""
    pattern = re.compile(rf"{event.id}(?:-(\d{{1,4}}))?(\.\w+)")
    named = []
    with suppress(OSError):
        for path in (folder / file_stem(event.camera)).iterdir():
            match = pattern.fullmatch(path.name)
            if match is not None and match[2] in _KINDS and _inside(folder, event, path.name) is not None:
                named.append((int(match[1] or 1), path.name, path))
    return [path for _, _, path in sorted(named)]


def _clip_parts(folder: Path, event: Event) -> Iterator[ClipPart]:
    for path in _clip_files(folder, event):
        part = _part(path)
        if part is not None:
            yield part


def _part(path: Path) -> ClipPart | None:
    """What a file of a clip says of itself; None for one that cannot be read."""
    try:
        with av.open(str(path)) as container:
            noted = read_start_note(container.metadata)
            codec = container.streams.video[0].codec_context.name if container.streams.video else ""
            seconds = (container.duration or 0) / av.time_base
            return ClipPart(path, codec, seconds, None if noted is None else noted[0].timestamp())
    except (av.error.FFmpegError, OSError):
        return None


@lru_cache(maxsize=256)
def _small(path: Path, _changed_ns: int) -> bytes | None:
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return None
    height, width = image.shape[:2]
    if width > THUMBNAIL_WIDTH:
        size = (THUMBNAIL_WIDTH, max(1, round(height * THUMBNAIL_WIDTH / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))[1].tobytes()
