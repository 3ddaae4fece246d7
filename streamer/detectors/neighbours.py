"""Neighbours of one kind do not share pixels: what both outlines claim goes to one of them.

The outline networks tell kinds of things apart, not things: where two persons overlap, each outline holds a part of
the other one. A point belongs to the box whose middle it is nearer to, measured in sizes of that box.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def separate(boxes_xyxy: Floats, masks: Floats, kinds: Sequence[object]) -> Floats:
    """The masks, float32 (N, M, M), without the points that are a neighbour's; ``kinds`` (N,) that differ share freely.

    ``boxes_xyxy``, float32 (N, 4), in pixels; ``kinds`` holds None for those without a mask.
    """
    separated = masks.copy()
    for row, other in overlapping(boxes_xyxy, kinds):
        separated[row][_claimed_by(boxes_xyxy[row], boxes_xyxy[other], masks[other])] = 0.0
    return separated


def overlapping(boxes_xyxy: Floats, kinds: Sequence[object]) -> list[tuple[int, int]]:
    """All ordered pairs of one kind whose boxes overlap."""
    low = np.maximum(boxes_xyxy[:, None, :2], boxes_xyxy[None, :, :2])
    high = np.minimum(boxes_xyxy[:, None, 2:], boxes_xyxy[None, :, 2:])
    pairs = np.argwhere((high > low).all(axis=2)).tolist()
    return [(row, other) for row, other in pairs if row != other and kinds[row] is not None and kinds[row] == kinds[other]]


def _claimed_by(box_xyxy: Floats, other_xyxy: Floats, other_mask: Floats) -> NDArray[np.bool_]:
    """The cells of a box, (M, M), that the other box's object claims and is nearer to."""
    cells = len(other_mask)
    matrix = np.zeros((2, 3))
    sizes, other_sizes = box_xyxy[2:] - box_xyxy[:2], other_xyxy[2:] - other_xyxy[:2]
    matrix[(0, 1), (0, 1)] = sizes / other_sizes
    matrix[:, 2] = (box_xyxy[:2] - other_xyxy[:2] + (sizes - other_sizes) / (2 * cells)) / other_sizes * cells
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    there = cv2.warpAffine(other_mask, matrix, (cells, cells), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=0.0)
    at = (np.arange(cells) + 0.5) / cells
    own = (at[None, :] - 0.5) ** 2 + (at[:, None] - 0.5) ** 2
    x = (box_xyxy[0] + at * sizes[0] - other_xyxy[0]) / other_sizes[0] - 0.5
    y = (box_xyxy[1] + at * sizes[1] - other_xyxy[1]) / other_sizes[1] - 0.5
    return np.asarray((np.asarray(there) > 0.5) & (x[None, :] ** 2 + y[:, None] ** 2 < own), np.bool_)
