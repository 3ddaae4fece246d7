"""Shapes of tracks, for formats that want all of a track in one place: they wait in a file, memory holds 16 bytes of each."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from streamer.datasets.stored_frame import StoredObject

K = TypeVar("K", bound=Hashable)
TrackKey = tuple[int, int | None, int]
"""Class, track, and a number above 0 for what belongs to nothing else: it has no track, or is there twice."""


class TrackKeys:
    """Says which objects of the frames of a recording belong together."""

    def __init__(self) -> None:
        self.alone = 0
        """Objects that belong to nothing: they have no track, or their frame has another one of it."""

    def of(self, objects: Sequence[StoredObject]) -> Iterator[tuple[StoredObject, TrackKey]]:
        """The objects of one frame, each with its key."""
        seen: set[TrackKey] = set()
        for one in objects:
            key: TrackKey = one.class_id, one.track_id, 0
            if one.track_id is None or key in seen:
                self.alone += 1
                key = one.class_id, one.track_id, self.alone
            seen.add(key)
            yield one, key


class WaitingShapes(Generic[K]):
    """Keys say what belongs together, in the order in which they came."""

    def __init__(self, folder: Path) -> None:
        """The file lies in ``folder`` until :meth:`remove`. Raises ``OSError``, as all methods do."""
        self._path = folder / ".shapes"
        self._file = self._path.open("xb+")
        self._places: dict[K, array[int]] = {}

    def add(self, key: K, frame: int, shape: str) -> None:
        """Keep a shape, a line of ASCII, of a frame; frames of a key come in order."""
        self._places.setdefault(key, array("q")).extend((frame, self._file.tell()))
        self._file.write(f"{shape}\n".encode("ascii"))

    def __iter__(self) -> Iterator[K]:
        """All keys."""
        return iter(self._places)

    def frames(self, key: K) -> array[int]:
        """The frames that have a shape of this key."""
        return self._places[key][::2]

    def of(self, key: K) -> Iterator[tuple[int, str]]:
        """Frames and shapes of a key."""
        places = self._places[key]
        for frame, offset in zip(places[::2], places[1::2], strict=True):
            self._file.seek(offset)
            yield frame, self._file.readline().decode("ascii").rstrip("\n")

    def remove(self) -> None:
        """Let go of the file and remove it."""
        self.close()
        self._path.unlink()

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        self._file.close()
