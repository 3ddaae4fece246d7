"""Where the objects of each frame lie in a file, so that they can be read frame by frame: memory holds 32 bytes of each."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Piece(NamedTuple):
    """What a file says of one object."""

    owner: int
    """The number that it was noted with."""
    content: bytes


class SpansByFrame:
    """Objects may be noted in any order; those of a frame keep theirs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._noted = array("q")
        self._sorted = np.zeros((0, 4), np.int64)

    def add(self, frame: int, start: int, length: int, owner: int = 0) -> None:
        """Note ``length`` bytes of the file from byte ``start`` on. Raises ``OverflowError`` for a frame beyond 64 bits."""
        self._noted.extend((frame, start, length, owner))

    def finish(self) -> None:
        """All are noted; :meth:`pieces` may be called from now on."""
        rows = np.frombuffer(self._noted, np.int64).reshape(-1, 4) if self._noted else self._sorted
        self._sorted = rows[np.argsort(rows[:, 0], kind="stable")]
        self._noted = array("q")

    @property
    def frames(self) -> set[int]:
        """The frames that have an object."""
        return set(np.unique(self._sorted[:, 0]).tolist())

    def pieces(self, frame: int) -> list[Piece]:
        """What was noted of a frame. Raises ``OSError``."""
        first, last = (int(np.searchsorted(self._sorted[:, 0], frame, side)) for side in ("left", "right"))
        if first == last:
            return []
        with self._path.open("rb") as file:
            found = []
            for _, start, length, owner in self._sorted[first:last].tolist():
                file.seek(start)
                found.append(Piece(owner, file.read(length)))
        return found
