"""MOTS: masks with identities, one line each, in ``gt/gt.txt``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from streamer.datasets.dataset import DatasetInfo
from streamer.datasets.sequence import TWICE, Sequence
from streamer.datasets.stored_frame import OTHER_BOX, StoredFrame
from streamer.instances import Bools
from streamer.sinks.coco_masks import Crop, rles

CLASSES = {"car": 1, "person": 2, "pedestrian": 2}
"""Numbers of MOTS's classes."""
_MOST_TRACK = 999
"""An object's number is that of its class times a thousand, and its track."""


class MotsDataset:
    """Implements ``Dataset``: a sequence's folder with ``gt/gt.txt``, ``seqinfo.ini`` and pictures in ``img1``.

    Readers shift frames that are counted from 0 without a word.
    A pixel belongs to one object, the surest one: readers refuse masks that overlap.
    """

    def __init__(self, info: DatasetInfo) -> None:
        self.lost: Counter[str] = Counter()
        self._info = info
        self._sequence = Sequence(info)

    def picture(self, frame: StoredFrame) -> Path:  # noqa: ARG002  # it counts by itself
        """In ``img1``, by its number in the sequence."""
        return self._sequence.next_picture

    def add(self, frame: StoredFrame) -> None:
        """Write the lines of a frame."""
        self._sequence.begin_frame()
        width, height = self._info.width, self._info.height
        taken: Bools = np.zeros((height, width), np.bool_)
        written: set[int] = set()
        for one in sorted(frame.objects, key=lambda one: -one.score):
            class_number, crop = CLASSES.get(one.class_name), one.crop()
            if class_number is None:
                self.lost["left out, since they are neither persons nor cars"] += 1
            elif one.track_id is None:
                self.lost["left out, since they have no track"] += 1
            elif one.track_id > _MOST_TRACK:
                self.lost[f"left out, since their track is above {_MOST_TRACK}"] += 1
            elif crop is None:
                self.lost["left out, since they have no mask"] += 1
            elif (number := 1000 * class_number + one.track_id) in written:
                self.lost[TWICE] += 1
            else:
                h, w = crop.mask.shape
                taken_here = taken[crop.y0 : crop.y0 + h, crop.x0 : crop.x0 + w]
                free = crop.mask & ~taken_here
                if not free.any():
                    self.lost["left out, since surer ones have all of their pixels"] += 1
                    continue
                if np.count_nonzero(free) < np.count_nonzero(crop.mask):
                    self.lost["without the pixels that another one has"] += 1
                taken_here |= free
                (rle,) = rles([Crop(crop.x0, crop.y0, free)], width, height)
                assert rle is not None
                written.add(number)
                self._sequence.write(f" {number} {class_number} {height} {width} {rle['counts']}")
                self.lost["without their score"] += 1
                if one.has_other_box(crop):
                    self.lost[OTHER_BOX] += 1

    def finish(self) -> None:
        """Write ``seqinfo.ini``."""
        self._sequence.finish()

    def close(self) -> None:
        """Close the file."""
        self._sequence.close()
