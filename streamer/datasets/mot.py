"""MOTChallenge: boxes with identities, one line each, in ``gt/gt.txt``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from streamer.datasets.dataset import DatasetInfo
from streamer.datasets.sequence import TWICE, Sequence
from streamer.datasets.stored_frame import StoredFrame


class MotDataset:
    """Implements ``Dataset``: a sequence's folder with ``gt/gt.txt``, ``seqinfo.ini`` and pictures in ``img1``.

    Pixels are counted from 0, as TrackEval and most readers
    do; motmetrics takes 1 away from left and top. The class is written as 1 for all: evaluation knows persons only. Of a track
    that is twice in a frame the surest object is written: readers refuse the frame else.
    """

    def __init__(self, info: DatasetInfo) -> None:
        self.lost: Counter[str] = Counter()
        self._sequence = Sequence(info)

    def picture(self, frame: StoredFrame) -> Path:  # noqa: ARG002  # it counts by itself
        """In ``img1``, by its number in the sequence."""
        return self._sequence.next_picture

    def add(self, frame: StoredFrame) -> None:
        """Write the lines of a frame."""
        self._sequence.begin_frame()
        written: set[int] = set()
        for one in sorted(frame.objects, key=lambda one: -one.score):
            if one.track_id is None:
                self.lost["left out, since they have no track"] += 1
                continue
            if one.track_id in written:
                self.lost[TWICE] += 1
                continue
            written.add(one.track_id)
            if one.mask is not None:
                self.lost["without their mask"] += 1
            self.lost["without their class and score"] += 1
            left, top, right, bottom = one.box_xyxy
            box = f"{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f}"
            self._sequence.write(f",{one.track_id},{box},1,1,1")

    def finish(self) -> None:
        """Write ``seqinfo.ini``."""
        self._sequence.finish()

    def close(self) -> None:
        """Close the file."""
        self._sequence.close()
