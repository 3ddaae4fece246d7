"""Instances rounded to what records hold, so that what is drawn again from records is what the run drew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Plane
from streamer.instances import Floats, Instances

LEVELS = 16
"""A mask's cell is one of so many levels: 0 is 0, the last is 1, the others lie evenly in ``_BAND``."""
_BAND = (0.25, 0.75)
"""Probabilities of which the level matters: the outline runs at 0.5, and what lies further off is as good as in or out."""
_SIDES = (16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Cells a side to which masks are reduced where they have more cells than their objects have pixels."""


def _values() -> Floats:
    low, high = _BAND
    values = low + (high - low) * np.arange(LEVELS) / (LEVELS - 1)
    values[[0, -1]] = 0.0, 1.0
    return values.astype(np.float32)


_VALUES = _values()


def rounded(instances: Instances, width: int, height: int) -> Instances:
    """``instances`` as records of a ``width`` x ``height`` picture can hold them; unchanged by a second call.

    Boxes go to 0.01 pixel, scores, ages and opacities to four digits, masks to ``LEVELS`` levels and to about as many cells as
    the largest object has pixels. Rows that mean nothing are left out, see :meth:`Instances.usable`.
    """
    if not len(instances) or instances.is_rounded_in(width, height):
        return instances
    found = instances.usable(width, height)
    changes: dict[str, Any] = {"boxes_xyxy": _to_digits(found.boxes_xyxy, 2)}
    for name in ("scores", "mask_age_s", "opacity"):
        changes[name] = _to_digits(getattr(found, name), 4)
    if found.masks is not None and len(found):
        changes["masks"] = mask_of(levels_of(_reduced(found.masks, found.boxes_xyxy)))
    done = replace(found, **changes)
    done.say_rounded_in(width, height)
    return done


def levels_of(masks: Floats) -> Plane:
    """The levels of masks of any shape, uint8 0..``LEVELS`` - 1."""
    low, high = _BAND
    scale = (LEVELS - 1) / (high - low)
    # Half a level goes down: a probability of 0.5 is not inside.
    levels: Plane = np.ceil(np.clip((masks - np.float32(low)) * np.float32(scale), 0, LEVELS - 1) - 0.5).astype(np.uint8)
    return levels


def mask_of(levels: Plane) -> Floats:
    """The probabilities, float32, that levels stand for."""
    return _VALUES[levels]


def _reduced(masks: Floats, boxes_xyxy: Floats) -> Floats:
    """Masks (N, M, M) with fewer cells where their largest box has fewer pixels a side than they have cells."""
    side_px = float((boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).max())
    side = next((side for side in _SIDES if side >= side_px), masks.shape[1])
    if side >= masks.shape[1]:
        return masks
    # A copy for each: OpenCV does not take what is not contiguous, as rows of a selection may be.
    small = [cv2.resize(np.ascontiguousarray(mask), (side, side), interpolation=cv2.INTER_AREA) for mask in masks]
    return np.asarray(np.stack(small), np.float32)


def _to_digits(values: Floats, digits: int) -> NDArray[np.float32]:
    return np.round(values.astype(np.float64), digits).astype(np.float32)
