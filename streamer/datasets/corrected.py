"""An object as a person corrected it in another tool."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamer.sinks.coco_masks import Crop, Rle, rles

OUTSIDE = "left out, since nothing of them is in the picture"

_NUMBER = re.compile("-?[0-9]{1,40}")
_NO_IDENTITY = 2**62
"""Identities are below this, so that the next ones are whole numbers of 64 bits, too."""
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


def track_of(told: Any) -> tuple[str, int | None]:
    """A track's name in another tool, and the identity in records where it can be one: a whole number from 1 on.

    Nothing, an empty text and numbers below 0 are no track. Raises ``ValueError`` for what names none.
    """
    if isinstance(told, float) and told.is_integer():
        told = int(told)
    if isinstance(told, bool) or not isinstance(told, int | str | None):
        raise ValueError(f"a track of {told!r:.40}")  # noqa: TRY004  # as for all else that is none
    name = "" if told is None else str(told)
    if not _NUMBER.fullmatch(name):
        return name, None
    return ("", None) if name.startswith("-") else (name, int(name) if 1 <= int(name) < _NO_IDENTITY else None)


def refuse_another_size(told: tuple[int, int], size: tuple[int, int]) -> None:
    """Raise ``ValueError`` where a file is of pictures of another width and height."""
    if told != size:
        raise ValueError(f"its pictures are {told[0]}x{told[1]}, not {size[0]}x{size[1]}")


def box_within(left: float, top: float, right: float, bottom: float, size: tuple[int, int]) -> Box | None:
    """What of a box lies in a picture of that width and height; None where nothing does. Raises ``ValueError`` for NaN."""
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise ValueError(f"a box of {left}, {top}, {right}, {bottom}")
    box = (max(0.0, left), max(0.0, top), min(float(size[0]), right), min(float(size[1]), bottom))
    return box if box[0] < box[2] and box[1] < box[3] else None


def box_around(mask_box: Box, told: Any, size: tuple[int, int]) -> Box:
    """The box that a file tells as left, top, width and height, where the mask lies in it to a pixel, else that of the mask.

    Detectors' boxes are wider than their masks. One that does not hold the mask was left behind when that was corrected.
    """
    if not told:
        return mask_box
    left, top, width, height = map(float, told)
    box = box_within(left, top, left + width, top + height, size)
    if box is None or min(mask_box[0] - box[0], mask_box[1] - box[1], box[2] - mask_box[2], box[3] - mask_box[3]) < -1:
        return mask_box
    return box


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
