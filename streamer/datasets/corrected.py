"""An object as a person corrected it in another tool."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamer.sinks.coco_masks import Crop, Rle, rles

OUTSIDE = "left out, since nothing of them is in the picture"

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedObject:
    """One object of one frame. Raises ``ValueError`` for a score that is no number."""

    class_name: str
    score: float
    """0..1; 1 where the tool keeps none: a person said so."""
    track: str
    """Which objects of other frames are the same: any text; empty where it is not known."""
    track_id: int | None
    """Identity that the object had in the records, where the tool kept it."""
    box_xyxy: Box
    mask: Mapping[str, Any] | None
    """Run lengths as records hold it; None where there is only a box."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise ValueError(f"a score of {self.score}")
        object.__setattr__(self, "score", min(max(self.score, 0.0), 1.0))


def box_within(left: float, top: float, right: float, bottom: float, size: tuple[int, int]) -> Box | None:
    """What of a box lies in a picture of that width and height; None where nothing does. Raises ``ValueError`` for NaN."""
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise ValueError(f"a box of {left}, {top}, {right}, {bottom}")
    box = (max(0.0, left), max(0.0, top), min(float(size[0]), right), min(float(size[1]), bottom))
    return box if box[0] < box[2] and box[1] < box[3] else None


def mask_and_box(crop: Crop, size: tuple[int, int]) -> tuple[Rle, Box] | None:
    """Run lengths and tight box of a mask in a picture of that width and height; None where nothing is set."""
    rows, columns = np.flatnonzero(crop.mask.any(axis=1)), np.flatnonzero(crop.mask.any(axis=0))
    if not len(rows):
        return None
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    within = Crop(crop.x0 + x0, crop.y0 + y0, np.ascontiguousarray(crop.mask[y0:y1, x0:x1]))
    (rle,) = rles([within], *size)
    assert rle is not None
    return rle, (float(within.x0), float(within.y0), float(crop.x0 + x1), float(crop.y0 + y1))
