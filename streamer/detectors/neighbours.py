"""Neighbours of one kind do not share pixels: what both outlines claim goes to one of them.

The outline networks tell kinds of things apart, not things: where two persons overlap, each outline holds a part of
the other one. A point belongs to the box whose middle it is nearer to, measured in sizes of that box. Nothing is cut in two
by a box that shows the same thing again, though, and what is whole within a larger box is before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.follow.boxes import overlaps

Floats = NDArray[np.float32]

SAME_IOU = 0.5
"""Overlap from which on two boxes show one thing, found twice."""
WITHIN_SHARE = 0.85
"""Share of the smaller box from which on it is within the other: a child before an adult, or a part of the same thing."""
PART_SCORE = 0.8
"""A box within another that scores less than this share of the other's score is a part of the same thing."""


def separate(boxes_xyxy: Floats, scores: Floats, masks: Floats, kinds: Sequence[object]) -> Floats:
    """The masks, float32 (N, M, M), without the points that are a neighbour's; ``kinds`` (N,) that differ share freely.

    ``boxes_xyxy``, float32 (N, 4), in pixels; ``scores`` (N,), 0..1; ``kinds`` holds None for those without a mask.
    """
    separated = masks.copy()
    iou, of_smaller = overlaps(boxes_xyxy.astype(np.float64), boxes_xyxy.astype(np.float64))
    for row, other in overlapping(boxes_xyxy, kinds):
        if iou[row, other] >= SAME_IOU:
            keeps = (scores[row], -row) > (scores[other], -other)
        elif of_smaller[row, other] >= WITHIN_SHARE:
            keeps = _before(boxes_xyxy[row], scores[row], boxes_xyxy[other], scores[other])
        else:
            separated[row][_claimed_by(boxes_xyxy[row], boxes_xyxy[other], masks[other], nearer=True)] = 0.0
            continue
        if not keeps:
            separated[row][_claimed_by(boxes_xyxy[row], boxes_xyxy[other], masks[other], nearer=False)] = 0.0
    return separated


def _before(box_xyxy: Floats, score: float, other_xyxy: Floats, other_score: float) -> bool:
    """Whether a box is before the other one, where the smaller of them is within the larger."""
    if (box_xyxy[2:] - box_xyxy[:2]).prod() <= (other_xyxy[2:] - other_xyxy[:2]).prod():
        return score >= PART_SCORE * other_score
    return other_score < PART_SCORE * score


def overlapping(boxes_xyxy: Floats, kinds: Sequence[object]) -> list[tuple[int, int]]:
    """All ordered pairs of one kind whose boxes overlap."""
    low = np.maximum(boxes_xyxy[:, None, :2], boxes_xyxy[None, :, :2])
    high = np.minimum(boxes_xyxy[:, None, 2:], boxes_xyxy[None, :, 2:])
    pairs = np.argwhere((high > low).all(axis=2)).tolist()
    return [(row, other) for row, other in pairs if row != other and kinds[row] is not None and kinds[row] == kinds[other]]


def _claimed_by(box_xyxy: Floats, other_xyxy: Floats, other_mask: Floats, *, nearer: bool) -> NDArray[np.bool_]:
    """The cells of a box, (M, M), that the other box's object claims; ``nearer``: and whose middle is nearer to them."""
    cells = len(other_mask)
    matrix = np.zeros((2, 3))
    sizes, other_sizes = box_xyxy[2:] - box_xyxy[:2], other_xyxy[2:] - other_xyxy[:2]
    matrix[(0, 1), (0, 1)] = sizes / other_sizes
    matrix[:, 2] = (box_xyxy[:2] - other_xyxy[:2] + (sizes - other_sizes) / (2 * cells)) / other_sizes * cells
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    there = cv2.warpAffine(other_mask, matrix, (cells, cells), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=0.0)
    claimed = np.asarray(there) > 0.5
    if not nearer:
        return claimed
    at = (np.arange(cells) + 0.5) / cells
    own = (at[None, :] - 0.5) ** 2 + (at[:, None] - 0.5) ** 2
    x = (box_xyxy[0] + at * sizes[0] - other_xyxy[0]) / other_sizes[0] - 0.5
    y = (box_xyxy[1] + at * sizes[1] - other_xyxy[1]) / other_sizes[1] - 0.5
    return np.asarray(claimed & (x[None, :] ** 2 + y[:, None] ** 2 < own), np.bool_)
