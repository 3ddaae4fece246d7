"""Corrected annotations in, records out: the function behind ``import``."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import IO, Any

import numpy as np

from streamer.analysis.observation import observe
from streamer.datasets.class_names import ClassNames, one_line
from streamer.datasets.coco_reader import CocoReader
from streamer.datasets.corrected import CorrectedObject
from streamer.datasets.cvat_reader import CvatReader
from streamer.datasets.mot_reader import MotReader
from streamer.datasets.mots_reader import MotsReader
from streamer.datasets.reader import Reader
from streamer.datasets.yolo_reader import YoloReader
from streamer.datasets.youtube_vis_reader import YoutubeVisReader
from streamer.errors import ConfigError, OutputWriteFailed, SourceNotFound, StreamerError
from streamer.sinks.atomic import PendingFile
from streamer.sinks.records import SCHEMA
from streamer.sinks.same_file import refuse_clashes
from streamer.sinks.stored import StoredRecords, refuse_pipe

_UNNAMED = re.compile(r"class (\d+)", re.ASCII)
_MOST_OF_A_REASON = 300
"""Characters of what is wrong in a file: a reason may quote what it fails at."""
_AT_ONCE = 256
"""Objects of a frame whose masks are looked at together: those of thousands would take half a gigabyte."""
_NEW_TRACK = re.compile(rb'"track_id":"new (\d+)"')
"""Within a name there is no quotation mark without a backslash: nothing else looks like this."""


READERS: Mapping[str, Callable[[Path, StoredRecords, int], Reader]] = {
    "coco": CocoReader,
    "cvat": CvatReader,
    "mot": MotReader,
    "mots": MotsReader,
    "yolo": YoloReader,
    "youtube-vis": YoutubeVisReader,
}
"""How a format is called, and what reads it."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What was written."""

    frames: int
    objects: int
    notes: tuple[str, ...]


def import_annotations(
    path: str | os.PathLike[str],
    records: str | os.PathLike[str],
    output: str | os.PathLike[str],
    from_: str,
    *,
    every: int = 1,
    overwrite: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> Imported:
    """Write the annotations at ``path``, of a format of ``READERS``, as records with the frames and times of ``records``.

    ``records`` are those that were exported; ``every`` as there, where pictures went along. Identities are kept where the file
    has them; what is new gets new ones. The file appears whole or not at all. ``on_progress`` is told how much is done, 0..1.

    Raises ``ConfigError`` for an unknown format and for a file that cannot be read as it, ``SourceNotFound``, ``StreamerError``
    for records that are damaged, ``OutputRefused`` and ``OutputWriteFailed``.
    """
    if from_ not in READERS:
        raise ConfigError(f"there is no format {from_!r} to read", hint=f"take one of {', '.join(READERS)}")
    refuse_clashes({"the input": path, "the records": records}, [output])
    stored = StoredRecords(records)
    pending = PendingFile(Path(output), overwrite=overwrite)
    try:
        writer = _Import(stored, _opened(Path(path), stored, from_, every), on_progress or (lambda _: None))
        # Lines wait until all classes and identities are known: to make each object twice would take twice as long.
        with pending.temporary.open("wb") as file, tempfile.TemporaryFile(dir=pending.temporary.parent) as waiting:
            for line in writer.lines():
                waiting.write(_encoded(line))
            waiting.seek(0)
            writer.write(waiting, file)
        pending.commit()
    except OSError as error:
        raise OutputWriteFailed(f"{output} cannot be written ({error.strerror})", hint="check the free space") from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, StreamerError):
            raise
        raise _unreadable(path, from_, error) from error
    finally:
        pending.discard()
    return Imported(writer.frames, writer.by_class.total(), tuple(writer.notes()))


def _opened(path: Path, stored: StoredRecords, from_: str, every: int) -> Reader:
    refuse_pipe(path)
    try:
        return READERS[from_](path, stored, every)
    except OSError as error:
        raise SourceNotFound(f"cannot read {error.filename or path}: {error.strerror}", hint="check the path") from error


def _unreadable(path: str | os.PathLike[str], from_: str, error: Exception) -> ConfigError:
    what = shorten(f"it has no {error}" if isinstance(error, KeyError) else str(error), _MOST_OF_A_REASON, placeholder=" …")
    return ConfigError(f"{os.fspath(path)} cannot be read as {from_}: {what}", hint="is it of this format, and whole?")


class _Import:
    """Joins the objects of a file to the frames of records."""

    def __init__(self, stored: StoredRecords, reader: Reader, on_progress: Callable[[float], None]) -> None:
        self.frames = 0
        self.by_class: Counter[str] = Counter()
        self._stored = stored
        self._reader = reader
        self._on_progress = on_progress
        self._names = ClassNames(stored.labels)
        self._new_tracks: dict[str, int] = {}
        """Tracks without an identity that is kept, numbered from 0: theirs come after all that are kept."""
        self._next_track = 1
        self._missing = 0
        self._new_classes: list[str] = []

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines of the frames, one by one, for :meth:`write`."""
        stored, reader, used = self._stored, self._reader, set()
        for place, line in enumerate(stored.frames(on_read=self._on_progress)):
            frame = place if reader.by_place else line["frame"]
            used.add(frame)
            for known in line["instances"]:  # of classes that the detector's label map does not name
                self._names.add(known["class_id"], known["class"])
            kept: dict[str, Any] = {
                key: line[key] for key in ("type", "frame", "pts", "time_s", "utc", "cut", "cover") if key in line
            }
            yield {**kept, "looked_s": line["time_s"], "instances": self._instances(frame)}
            self.frames += 1
        frames = reader.frames
        if reader.names_empty_frames:
            self._missing = len(used - frames)
        if strange := frames - used:
            told, reader.lost = reader.lost, Counter()
            told[f"in {len(strange)} frames that the records do not have"] = sum(len(reader.objects(one)) for one in strange)
            reader.lost = told

    def write(self, waiting: IO[bytes], file: IO[bytes]) -> None:
        """Write the records, with the :meth:`lines` that wait in a file."""
        labels = {str(class_id): name for class_id, name in sorted(self._names.own.items())}
        file.write(_encoded({**self._stored.stream, "schema": SCHEMA, "masks": "rle", "labels": labels, "tracked": True}))
        if self._new_tracks:
            for line in waiting:
                file.write(_NEW_TRACK.sub(lambda found: b'"track_id":%d' % (self._next_track + int(found[1])), line))
        else:
            shutil.copyfileobj(waiting, file)
        end = {"type": "end", "frames": self.frames, "instances": self.by_class.total(), "by_class": dict(self.by_class)}
        ended = self._stored.end or {}
        file.write(_encoded({**end, **{key: ended[key] for key in ("seconds", "interrupted") if key in ended}}))

    def notes(self) -> Iterator[str]:
        """What a person should know."""
        yield from (f"{count} objects are {what}" for what, count in self._reader.lost.items() if count)
        if self._missing:
            yield f"{self._missing} of {self.frames} frames are not in the file: nothing is recorded of them"
        if self._new_classes:
            yield f"new classes: {', '.join(map(one_line, self._new_classes))}"

    def _instances(self, frame: int) -> list[dict[str, Any]]:
        objects = self._reader.objects(frame)
        for one in objects:
            self._next_track = max(self._next_track, (one.track_id or 0) + 1)
            if self._names.id_of(one.class_name) is None:
                self._add_class(one.class_name)
        objects.sort(key=lambda one: -one.score)
        made = [self._instance(one) for one in objects]
        for first in range(0, len(made), _AT_ONCE):
            self._observe(frame, made[first : first + _AT_ONCE], objects[first : first + _AT_ONCE])
        return made

    def _observe(self, frame: int, made: list[dict[str, Any]], objects: list[CorrectedObject]) -> None:
        """Add what analysis goes by."""
        found = self._stored.instances({"frame": frame, "instances": made})
        seen = observe(found, *self._stored.size)
        for said, one, foot, shape in zip(made, objects, seen.feet_xy.tolist(), seen.shapes, strict=True):
            said["foot_xy"] = foot
            said["shape"] = None if said["mask"] is None else np.packbits(shape).tobytes().hex()
            if one.track_id is None and one.track:
                said["track_id"] = f"new {self._new_tracks.setdefault(one.track, len(self._new_tracks))}"

    def _instance(self, one: CorrectedObject) -> dict[str, Any]:
        class_id = self._names.id_of(one.class_name)
        assert class_id is not None, "it was added before"
        name = self._names.own[class_id]
        self.by_class[name] += 1
        return {
            "class": name,
            "class_id": class_id,
            "score": round(one.score, 4),
            "box_xyxy": [round(edge, 2) for edge in one.box_xyxy],
            "track_id": one.track_id,
            "state": "inferred",
            "mask_age_s": 0.0,
            "mask": one.mask,
            "mask_carried": False,
        }

    def _add_class(self, name: str) -> None:
        """Give a class that the detector does not name an id: the one in ``class 7``, else the next that is free."""
        used = self._names.own
        if (unnamed := _UNNAMED.fullmatch(name)) is not None and int(unnamed[1]) not in used:
            self._names.add(int(unnamed[1]), name)
            return
        self._new_classes.append(name)
        self._names.add(max(used, default=0) + 1, name)


def _encoded(line: Mapping[str, Any]) -> bytes:
    # What UTF-8 cannot hold, half of a pair, is written as JSON escapes it.
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"
