"""MOTS, read back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from streamer.datasets.classes_of_tracks import ClassesOfTracks
from streamer.datasets.corrected import OUTSIDE, CorrectedObject
from streamer.datasets.lines_by_frame import LinesByFrame
from streamer.datasets.mots import CLASSES
from streamer.datasets.sequence import lines_of
from streamer.sinks.coco_masks import Rle, tight_box
from streamer.sinks.stored import StoredRecords

_CLASSES = {1: "car", 2: "person"}
_IGNORED = 10
"""Class of regions in which nothing is judged."""


class MotsReader:
    """Lines ``frame id class height width rle``, frames from 1; the id is the class times a thousand, and the track.

    A track that the records have is of the class that it has there, where that is one of the same number.
    """

    by_place = True
    names_empty_frames = False

    def __init__(self, path: Path, stored: StoredRecords, every: int) -> None:
        """A frame of the file is ``every`` frames of the records. Raises ``ValueError`` and ``OSError``."""
        self.lost: Counter[str] = Counter()
        self._size = stored.size
        self._classes = ClassesOfTracks(stored)
        self._lines = LinesByFrame(lines_of(path), lambda line: (_frame_of(line) - 1) * every)

    @property
    def frames(self) -> set[int]:
        """Places of frames that have objects."""
        return self._lines.frames

    def objects(self, frame: int) -> list[CorrectedObject]:
        """The objects of a frame."""
        return [made for line in self._lines.lines(frame) if (made := self._object(frame, line)) is not None]

    def _object(self, place: int, line: str) -> CorrectedObject | None:
        parts = line.split(" ")
        if len(parts) != 6:
            raise ValueError(f"{line[:60]!r}: expected frame id class height width rle")
        number, kind, height, width = map(int, parts[1:5])
        if (width, height) != self._size:
            raise ValueError(f"a mask of {width}x{height} in a picture of {self._size[0]}x{self._size[1]}")
        if kind not in _CLASSES:
            what = "regions in which nothing is judged" if kind == _IGNORED else f"of MOTS's class {kind}"
            self.lost[f"left out, since they are {what}"] += 1
            return None
        mask = Rle(size=[height, width], counts=parts[5])
        box = tight_box(mask)
        if box is None:
            self.lost[OUTSIDE] += 1
            return None
        # Some count tracks from 0, records from 1.
        track, track_id = f"of class {kind}", number % 1000 or None
        names = self._classes.names
        own = (one for one in self._classes.at(place, track_id) if CLASSES.get(names.own[one]) == kind)
        name = next((names.written[one] for one in own), _CLASSES[kind])
        return CorrectedObject(class_name=name, score=1.0, track=track, track_id=track_id, box_xyxy=box, mask=mask)


def _frame_of(line: str) -> int:
    frame = int(line.split(" ", 1)[0])
    if frame < 1:
        raise ValueError(f"frame {frame}: they are counted from 1")
    return frame
