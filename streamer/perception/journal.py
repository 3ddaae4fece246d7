"""What a detector has found, kept in a file as it comes: a run that was killed does not ask for it a second time."""

from __future__ import annotations

import fcntl
import io
import json
import os
import struct
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from streamer.errors import OutputWriteFailed
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.selection import Selection, detect_in
from streamer.stages import Detector, Remembers

CHUNK = 500
"""Frames after which a detector that remembers is told to forget, so that work can begin anew there and give the same."""
_SCHEMA = 1
ENTRY = struct.Struct("<IIqq")
"""What an entry begins with: length and CRC-32 of what follows, number and pts of the frame."""


def is_held(path: Path) -> bool:
    """Whether a process writes to the journal at ``path``, and so may write to the results of its recording."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass  # it is not there
    return False


class DetectionJournal:
    """Calls the detectors of one recording, or answers from the file for frames that they have answered for before.

    Everything after the detector is done again from the recording's beginning, and is the same each time: so a run that goes on
    writes the very files of one that was never interrupted, identities included. What detectors say of the frames after the
    last whole chunk is asked for again where they remember earlier frames.

    An entry is written with one call and has a check sum: one that a kill has torn, and what follows it, is dropped.
    :meth:`detect` may be called by several threads, with one detector each.
    """

    def __init__(self, path: Path, about: Mapping[str, object], detectors: Sequence[Detector]) -> None:
        """``about`` says what the answers depend on: a file that says otherwise is begun anew.

        Raises ``OutputWriteFailed``, and ``BlockingIOError`` while another process writes to it.
        """
        self._remembers = any(isinstance(detector, Remembers) for detector in detectors)
        self._chunks: dict[int, int] = {}
        """For each detector, by ``id``, the chunk of the frame that it saw last."""
        self._lock = threading.Lock()
        self._path = path
        head = json.dumps({"schema": _SCHEMA, "copies": len(detectors), **about}, sort_keys=True).encode() + b"\n"
        self._head_bytes = len(head)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what was written survives the process.
            self._file = open(path, "a+b", buffering=0)  # noqa: SIM115, PTH123  # closed by close()
        except OSError as error:
            raise self._failed(error) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._known = self._read(head)
        except BlockingIOError:
            self._file.close()
            raise
        except OSError as error:
            self._file.close()
            raise self._failed(error) from error
        if self._remembers and self._known:
            # Copies work side by side: with the newest frame, those of the others may be under way.
            whole = (max(self._known) - len(detectors)) // CHUNK * CHUNK
            self._known = {index: entry for index, entry in self._known.items() if index < whole}

    @property
    def known(self) -> int:
        """Frames that are answered for from the file."""
        return len(self._known)

    def detect(self, detector: Detector, frame: Frame, wanted: Selection) -> Instances:
        """As :func:`detect_in`. Raises what the detector raises, and ``OutputWriteFailed``."""
        place, pts = self._known.get(frame.index, (0, None))
        if pts == frame.pts:
            return self._stored(place)
        chunk = frame.index // CHUNK
        if self._chunks.get(id(detector)) != chunk:
            self._chunks[id(detector)] = chunk
            if isinstance(detector, Remembers):
                detector.forget()
        found = detect_in(detector, frame, wanted)
        self._append(frame, found)
        return found

    def close(self) -> None:
        """Let go of the file. It stays if there is an answer in it."""
        if os.fstat(self._file.fileno()).st_size <= self._head_bytes:
            self._path.unlink(missing_ok=True)
        self._file.close()

    def _read(self, head: bytes) -> dict[int, tuple[int, int]]:
        """Where the entry of each frame begins, with its pts; what is torn or of another run is cut off."""
        size = os.fstat(self._file.fileno()).st_size
        self._file.seek(0)
        if self._file.read(len(head)) != head:
            self._file.truncate(0)
            self._file.write(head)
            return {}
        known = {}
        place = len(head)
        while (entry := self._entry(place, size)) is not None:
            length, index, pts = entry
            known[index] = (place, pts)
            place += ENTRY.size + length
        self._file.truncate(place)
        return known

    def _entry(self, place: int, size: int) -> tuple[int, int, int] | None:
        head = os.pread(self._file.fileno(), ENTRY.size, place)
        if len(head) < ENTRY.size:
            return None
        length, check, index, pts = ENTRY.unpack(head)
        if place + ENTRY.size + length > size or zlib.crc32(self._content(place, length)) != check:
            return None
        return length, index, pts

    def _content(self, place: int, length: int) -> bytes:
        return os.pread(self._file.fileno(), length, place + ENTRY.size)

    def _stored(self, place: int) -> Instances:
        length, *_ = ENTRY.unpack(os.pread(self._file.fileno(), ENTRY.size, place))
        with np.load(io.BytesIO(zlib.decompress(self._content(place, length))), allow_pickle=False) as arrays:
            return Instances(**{name: arrays[name] for name in arrays.files})

    def _append(self, frame: Frame, found: Instances) -> None:
        arrays = {each.name: getattr(found, each.name) for each in fields(found)}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{name: array for name, array in arrays.items() if array is not None})
        content = zlib.compress(buffer.getbuffer(), 1)
        entry = ENTRY.pack(len(content), zlib.crc32(content), frame.index, frame.pts) + content
        with self._lock:
            try:
                written = self._file.write(entry)
            except OSError as error:
                raise self._failed(error) from error
        if written != len(entry):
            raise OutputWriteFailed(f"{self._path} was written in part only", hint="check the disk")

    def _failed(self, error: OSError) -> OutputWriteFailed:
        return OutputWriteFailed(f"{self._path} cannot be written ({error.strerror})", hint="check the disk")
