"""MOTChallenge, read back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from streamer.datasets.classes_of_tracks import ClassesOfTracks
from streamer.datasets.corrected import OUTSIDE, CorrectedObject, box_within, track_of
from streamer.datasets.lines_by_frame import LinesByFrame
from streamer.datasets.sequence import lines_of
from streamer.sinks.stored import StoredRecords

_CLASSES = {-1: "person", 1: "person", 3: "car", 4: "bicycle", 5: "motorcycle", 7: "person"}
"""Numbers of MOTChallenge's classes; a person on a vehicle, distractors and the like are left out."""


class MotReader:
    """``gt.txt``, or results: ``frame, id, left, top, width, height, confidence, class, …``, frames from 1, pixels from 0.

    Our exports say class 1 of all: a track that the records have is of the class that it has there, in that frame or before.
    """

    by_place = True
    names_empty_frames = False

    def __init__(self, path: Path, stored: StoredRecords, every: int) -> None:
        """A frame of the file is ``every`` frames of the records. Raises ``ValueError`` and ``OSError``."""
        self.lost: Counter[str] = Counter()
        self._size = stored.size
        file = lines_of(path)
        self._truth = file.name == "gt.txt"
        self._lines = LinesByFrame(file, lambda line: (_frame_of(line) - 1) * every)
        self._classes = ClassesOfTracks(stored)

    @property
    def frames(self) -> set[int]:
        """Places of frames that have objects."""
        return self._lines.frames

    def objects(self, frame: int) -> list[CorrectedObject]:
        """The objects of a frame."""
        return [made for line in self._lines.lines(frame) if (made := self._object(frame, line)) is not None]

    def _object(self, place: int, line: str) -> CorrectedObject | None:
        parts = line.split(",")
        values = [float(part) for part in parts]
        if len(values) < 6:
            raise ValueError(f"{line[:60]!r}: expected frame, id, left, top, width, height, …")
        _, number, left, top, width, height, confidence, kind, *_ = [*values, *(1.0, 1.0)[len(values) - 8 :]]
        # Large ones are exact as they are written only.
        track, track_id = track_of(int(parts[1]) if parts[1].strip().isdecimal() else number)
        if self._truth and confidence == 0:
            self.lost["left out, since they are marked as not to be counted"] += 1
            return None
        own = self._classes.at(place, track_id)
        name = self._classes.names.written[own[0]] if own else _CLASSES.get(int(kind))
        if name is None:
            self.lost[f"left out, since they are of MOT's class {int(kind)}"] += 1
            return None
        box = box_within(left, top, left + width, top + height, self._size)
        if box is None:
            self.lost[OUTSIDE] += 1
            return None
        score = 1.0 if confidence < 0 else confidence
        return CorrectedObject(class_name=name, score=score, track=track, track_id=track_id, box_xyxy=box, mask=None)


def _frame_of(line: str) -> int:
    frame = int(float(line.split(",", 1)[0]))
    if frame < 1:
        raise ValueError(f"frame {frame}: they are counted from 1")
    return frame
