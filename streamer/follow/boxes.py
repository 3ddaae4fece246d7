"""How boxes lie to each other. All are float64, left, top, right, bottom, in picture pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

EDGE_PX = 3.0
"""A side of a box this near to the picture's edge is where the picture ends, not where the object does."""

MOST_UNSEEN = 0.75
"""Most of an object that is taken to be outside the picture; of one with more outside too little is seen to start a track."""


def common_areas(a: Doubles, b: Doubles) -> Doubles:
    """Area that each of the boxes (N, 4) has in common with each of the boxes (K, 4): (N, K), square pixels."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    size = np.minimum(a[:, None, 2:], b[None, :, 2:]) - low
    np.maximum(size, 0.0, out=size)
    return np.asarray(size[..., 0] * size[..., 1])


def areas(boxes: Doubles) -> Doubles:
    """Area of boxes (N, 4): (N,), square pixels; 0 for those turned inside out."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return np.asarray(size[:, 0] * size[:, 1])


def overlaps(a: Doubles, b: Doubles) -> tuple[Doubles, Doubles]:
    """IoU and intersection over the smaller area of boxes (N, 4) with boxes (K, 4): both (N, K)."""
    common, area_a, area_b = common_areas(a, b), areas(a)[:, None], areas(b)[None, :]
    return common / np.maximum(area_a + area_b - common, 1e-9), common / np.maximum(np.minimum(area_a, area_b), 1e-9)


def crowding(boxes: Doubles) -> Doubles:
    """Of each of the boxes (N, 4) the largest share that one other of them covers, 0..1: (N,)."""
    if len(boxes) < 2:
        return np.zeros(len(boxes))  # most frames of most cameras
    common = common_areas(boxes, boxes)
    np.fill_diagonal(common, 0.0)
    return np.asarray((common / np.maximum(areas(boxes), 1e-6)[:, None]).max(axis=1, initial=0.0))


def touch(a: Doubles, b: Doubles) -> bool:
    """Whether two boxes (4,) have some area in common."""
    return bool((np.minimum(a[2:], b[2:]) > np.maximum(a[:2], b[:2])).all())


def touching(boxes: Doubles) -> list[tuple[int, int]]:
    """The pairs (i, k), i < k, of boxes (N, 4) that have some area in common."""
    rows, columns = np.nonzero(np.triu(common_areas(boxes, boxes), 1))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def unclipped(seen: Doubles, expected: Doubles, picture: Doubles) -> Doubles:
    """A detected box (4,), with sides on the edge of the ``picture`` (2,) moved out to where the track expects them."""
    beyond = np.concatenate([expected[:2] < 0.0, expected[2:] > picture])
    return np.where(at_edge(seen, picture) & beyond, expected, seen)


def at_edge(box: Doubles, picture: Doubles) -> NDArray[np.bool_]:
    """Of each side of a box (4,) whether it lies on the edge of the ``picture`` (2,), or beyond."""
    return np.concatenate([box[:2] < EDGE_PX, box[2:] > picture - EDGE_PX])


def whole(seen: Doubles, picture: Doubles, aspect: float) -> Doubles:
    """A detected box (4,) that the edge of the ``picture`` (2,) cuts, as large as an object with that width / height is.

    Only the sides on the edge move, and no more than ``MOST_UNSEEN`` of the object is taken to be outside.
    """
    cut, size = at_edge(seen, picture), seen[2:] - seen[:2]
    out = seen.copy()
    for axis, wanted in enumerate((size[1] * aspect, size[0] / aspect)):
        low, high = cut[axis], cut[axis + 2]
        if low == high or cut[1 - axis] or cut[3 - axis]:
            continue  # not cut, or its size says nothing
        more = min(wanted, size[axis] / (1.0 - MOST_UNSEEN)) - size[axis]
        if more > 0:
            out[axis + 2 * int(high)] += more if high else -more
    return out
