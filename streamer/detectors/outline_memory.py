"""Outlines that are shown again: of objects that stand still, and of those that moved while others were looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detectors.opinion import Opinion
from streamer.follow.boxes import overlaps
from streamer.instances import resampled

Floats = NDArray[np.float32]

PATCH_PX = 24
"""Width and height of the picture of an object that is compared."""
LEAST_IOU = 0.6
"""Overlap with the box of the frame before, from which on it may be the same object."""
MOST_CHANGE = 2.5
"""Mean difference of gray values, 0..255, up to which the pixels of a box are the same as before: the object stands still,
however the detector's box shakes. *Measured*, median and 99th percentile over every second frame: parked vehicles 0.6 to 1.3
and 2, bottles on a table 0.3 and 6.5 (a hand takes them), people who walk 36 and 75."""
MOST_CHANGE_OF_CONTRAST = 0.15
"""The same as a share of the standard deviation of the box's gray values: in the dark less change is as much."""
MOST_MISSED = 8
"""What was not found for so many frames is forgotten."""
MOST_CARRIED = 8
"""For so many frames an object that moved keeps its outline, as a part of its box, until it is looked at again."""
MOST_USES = 25
"""An outline is asked for anew after so many frames, so that a bad one does not stay."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """An object of the frame before."""

    name: str
    """The class that the detector gave it."""
    box_xyxy: Floats
    """float32 (4,) in pixels: where it was outlined, or where it moved since."""
    patch: Floats
    """What was there then: gray, float32 (PATCH_PX, PATCH_PX)."""
    opinion: Opinion
    uses: int = 0
    """Frames that it was shown on since then."""
    missed: int = 0
    """Frames in a row that it was not found on."""
    due: int = 0
    """Frames since it moved or its outline got old: it should be looked at again; 0 for what stands still."""

    def opinion_in(self, box_xyxy: Floats) -> Opinion:
        """What was seen of it, for another box around it: its pixels stay where they are, or move with the box."""
        if self.opinion.mask is None:
            return self.opinion
        if self.due > MOST_CARRIED:
            return replace(self.opinion, mask=None)
        mask = resampled(self.opinion.mask, self.box_xyxy.astype(np.float64), box_xyxy.astype(np.float64))
        return replace(self.opinion, mask=mask)

    def unchanged(self, image: NDArray[np.uint8]) -> bool:
        """Whether its pixels in ``image``, RGB, are what they were."""
        most = min(MOST_CHANGE, MOST_CHANGE_OF_CONTRAST * float(self.patch.std()))
        return difference(self.patch, patch(image, self.box_xyxy)) <= most


class OutlineMemory:
    """What was seen of the objects of the last frames. Used by one thread at a time, for the frames of a stream in order.

    Several streams may take turns: an object of one hardly looks like what is in the same place of another.
    """

    def __init__(self) -> None:
        self._objects: list[Remembered] = []
        self._missing: list[Remembered] = []

    def recall(self, image: NDArray[np.uint8], boxes_xyxy: Floats, names: Sequence[str]) -> list[Remembered | None]:
        """For each box, float32 (N, 4), the object that was there; each object once. ``image`` is RGB.

        Those that do not stand still are ``due``, and move to the box.
        """
        there = np.array([known.box_xyxy for known in self._objects], np.float64).reshape(-1, 4)
        iou, _ = overlaps(boxes_xyxy.astype(np.float64), there)
        for at, known in enumerate(self._objects):
            iou[[name != known.name for name in names], at] = 0.0
        recalled: list[Remembered | None] = []
        for row, box in enumerate(boxes_xyxy):
            best = int(iou[row].argmax()) if len(there) else 0
            if not len(there) or iou[row, best] < LEAST_IOU:
                recalled.append(None)
                continue
            recalled.append(_shown_again(self._objects[best], image, box))
            iou[:, best] = -1.0
        free = [known for at, known in enumerate(self._objects) if not len(iou) or iou[0, at] >= 0]
        self._missing = [replace(known, missed=known.missed + 1) for known in free if known.missed < MOST_MISSED]
        return recalled

    def keep(self, objects: Sequence[Remembered]) -> None:
        """The objects of this frame, those recalled and those outlined anew, beside those that it does not show."""
        self._objects = [*objects, *self._missing]


def _shown_again(known: Remembered, image: NDArray[np.uint8], box_xyxy: Floats) -> Remembered:
    known = replace(known, uses=known.uses + 1, missed=0)
    if not known.due and known.uses <= MOST_USES and known.unchanged(image):
        return known
    return replace(known, box_xyxy=box_xyxy, due=known.due + 1)


def patch(image: NDArray[np.uint8], box_xyxy: Floats) -> Floats:
    """The gray picture of what is in a box, float32 (PATCH_PX, PATCH_PX); beyond the picture its edge goes on."""
    left, top, right, bottom = (float(side) for side in box_xyxy)
    across, down = max(right - left, 1e-3) / PATCH_PX, max(bottom - top, 1e-3) / PATCH_PX
    matrix = np.array([[across, 0, left + across / 2 - 0.5], [0, down, top + down / 2 - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    small = cv2.warpAffine(image, matrix, (PATCH_PX, PATCH_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


def difference(before: Floats, now: Floats) -> float:
    """Mean difference of two patches in gray values, whatever the light did to all of it."""
    change = now - before
    return float(np.abs(change - np.median(change)).mean())
