"""Brings the masks of a SavedModel into one form: probabilities, relative to the box."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

CELLS = 64
"""Cells a side of masks that are cut out of ones as large as the picture."""
LARGEST_CELLS = 128
"""Masks with fewer cells a side are relative to the box: no picture of interest is that small."""
_MOST_SAMPLES = 8
"""Samples a side of a cell: those of 64 cells are two pixels apart at most on a box of 1024."""
_MOST_OUTSIDE = 0.02
"""Fraction of what is set in masks as large as the picture that may lie outside of their boxes."""


def box_masks(masks: NDArray[np.generic], boxes: NDArray[np.floating], picture: tuple[int, int], name: str) -> Floats | None:
    """Masks (N, M, M), probabilities 0..1 relative to the box, of a model's masks (N, h, w) of any number type.

    ``boxes`` are (N, 4): left, top, right, bottom as fractions of the picture. ``picture`` is the width and height of the array
    that the model saw. Some exports paste masks into the picture: those are recognised by their shape and by lying where their
    boxes lie, and are cut out. None for a shape that is neither square nor the picture's.
    """
    rows, height, width = masks.shape
    values = _probabilities(masks, name)
    if (width, height) == picture and width != height:
        return cut_out(values, boxes, picture)
    if height != width:
        return None
    may_be_pictures = (width, height) == picture or height >= LARGEST_CELLS
    return (
        cut_out(values, boxes, (width, height)) if rows and may_be_pictures and _lie_in_their_boxes(values, boxes) else values
    )


def _probabilities(masks: NDArray[np.generic], name: str) -> Floats:
    values = masks.astype(np.float32)
    if masks.dtype.kind in "ui" and masks.size and masks.max() > 1:
        return values / np.float32(255.0)
    finite = values[np.isfinite(values)] if masks.dtype.kind == "f" else values
    if finite.size and (finite.min() < -0.5 or finite.max() > 1.5):
        _tell_logits(name)
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -30.0, 30.0))), np.float32)
    return values


@cache
def _tell_logits(name: str) -> None:
    """Once for each model."""
    log.warning("%s: its masks are no probabilities 0..1; taken for logits", name)


def _lie_in_their_boxes(masks: Floats, boxes: NDArray[np.floating]) -> bool:
    """Whether what is set in the masks lies where their boxes lie in the picture. Masks relative to the box fill it all."""
    _, height, width = masks.shape
    inside = everything = 0
    for mask, box in zip(masks, _in_cells(boxes, width, height), strict=True):
        if np.isfinite(box).all():
            left, top, right, bottom = (max(0, int(side)) for side in (*np.floor(box[:2]) - 1, *np.ceil(box[2:]) + 1))
            inside += int(np.count_nonzero(mask[top:bottom, left:right] > 0.5))
            everything += int(np.count_nonzero(mask > 0.5))
    return everything - inside <= _MOST_OUTSIDE * everything


def cut_out(
    masks: Iterable[NDArray[np.generic]], boxes: NDArray[np.floating], size: tuple[int, int], cells: int = CELLS
) -> Floats:
    """What lies in each box (N, 4; fractions), of masks of ``size`` (width, height), 0..1, as ``cells`` x ``cells``."""
    width, height = size
    cut = np.zeros((len(boxes), cells, cells), np.float32)
    for row, (mask, box) in enumerate(zip(masks, _in_cells(boxes, width, height), strict=True)):
        if not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
            continue
        sides = box[2:] - box[:2]
        samples = cells * int(np.clip(np.ceil(sides.max() / cells), 1, _MOST_SAMPLES))
        step = sides / samples
        left, top = (int(np.clip(np.floor(side) - 1, 0, most - 1)) for side, most in zip(box[:2], size, strict=True))
        right, bottom = (
            int(np.clip(np.ceil(side) + 1, least + 1, most))
            for side, least, most in zip(box[2:], (left, top), size, strict=True)
        )
        part = mask[top:bottom, left:right].astype(np.float32)
        start = box[:2] - (left, top) + step / 2 - 0.5
        matrix = np.array([[step[0], 0.0, start[0]], [0.0, step[1], start[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        fine = cv2.warpAffine(part, matrix, (samples, samples), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        cut[row] = cv2.resize(fine, (cells, cells), interpolation=cv2.INTER_AREA)
    return cut


def _in_cells(boxes: NDArray[np.floating], width: int, height: int) -> NDArray[np.float64]:
    return np.asarray(boxes, np.float64) * np.array([width, height, width, height], np.float64)
