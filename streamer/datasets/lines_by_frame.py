"""Text files with a line for each object, read frame by frame: memory holds 16 bytes a line."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np


class LinesByFrame:
    """Lines may come in any order; empty ones are left out."""

    def __init__(self, path: Path, frame_of: Callable[[str], int]) -> None:
        """``frame_of`` a line. Raises ``OSError``, and ``ValueError`` for a line that has no frame, with its number."""
        self._path = path
        frames, offsets = array("q"), array("q")
        at = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    try:
                        frames.append(frame_of(line.decode("utf-8-sig" if at == 0 else "utf-8")))
                    except (ValueError, OverflowError) as error:
                        raise ValueError(f"line {number}: {error}") from error
                    offsets.append(at)
                at += len(line)
        order = np.argsort(np.frombuffer(frames, np.int64), kind="stable") if frames else np.zeros(0, np.int64)
        self._frames = np.array(frames, np.int64)[order]
        self._offsets = np.array(offsets, np.int64)[order]

    @property
    def frames(self) -> set[int]:
        """The frames that have a line."""
        return set(np.unique(self._frames).tolist())

    def lines(self, frame: int) -> list[str]:
        """The lines of a frame, in their order. Raises ``OSError``."""
        first, last = np.searchsorted(self._frames, [frame, frame + 1]).tolist()
        if first == last:
            return []
        with self._path.open("rb") as file:
            found = []
            for offset in self._offsets[first:last].tolist():
                file.seek(offset)
                found.append(file.readline().decode("utf-8-sig" if offset == 0 else "utf-8").strip())
        return found
