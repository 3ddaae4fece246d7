"""Masks relative to their boxes, from maps of the whole input: prototypes with coefficients, or one map for each object."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LEAST_CELLS, MOST_CELLS = 33, 112
"""Cells a side of a mask: more for larger objects, so that their outlines have no stairs."""
CELLS_FOR_ONE = 1.5
"""Cells of a mask for one of the map, along the longer side of the largest object."""
_FURTHEST = 30.0
"""Logits beyond this are 0 or 1."""


def cells_for(boxes: NDArray[np.float64], for_one: float = CELLS_FOR_ONE) -> int:
    """Cells a side for objects with these boxes (N, 4), in units of which each is ``for_one`` cells: cells of the map."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = float(sides.max(initial=0.0, where=np.isfinite(sides)))
    return int(np.clip(np.ceil(longest * for_one), LEAST_CELLS, MOST_CELLS))


def grids(
    part_of: Callable[[int, int, int, int, int], Floats],
    boxes: NDArray[np.float64],
    size: tuple[int, int],
    *,
    logits: bool = True,
    cells: int | None = None,
) -> Floats:
    """Masks (N, M, M), probabilities, of boxes (N, 4) in cells of maps of ``size`` (width, height); M is ``cells`` if given.

    ``part_of(row, left, top, right, bottom)`` is the map of one object inside those bounds. Where the maps hold logits, these
    are interpolated and not the probabilities, as the frameworks do. A box that is none, or beside the map, has an empty mask.
    """
    cells = cells or cells_for(boxes)
    made = np.full((len(boxes), cells, cells), -_FURTHEST if logits else 0.0, np.float32)
    width, height = size
    # Plain numbers: NumPy takes longer for four of them than for the mask.
    for row, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        if not math.isfinite(x0 + y0 + x1 + y1):
            continue
        left, top = (min(max(math.floor(side) - 1, 0), most) for side, most in ((x0, width), (y0, height)))
        right, bottom = (min(max(math.ceil(side) + 1, 0), most) for side, most in ((x1, width), (y1, height)))
        if right <= left or bottom <= top:
            continue
        part = part_of(row, left, top, right, bottom)
        across, down = (x1 - x0) / cells, (y1 - y0) / cells
        matrix = np.array([[across, 0.0, x0 - left + across / 2 - 0.5], [0.0, down, y0 - top + down / 2 - 0.5]])
        cv2.warpAffine(
            part,
            matrix,
            (cells, cells),
            dst=made[row],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    if logits:
        np.clip(made, -_FURTHEST, _FURTHEST, out=made)
        np.negative(made, out=made)
        np.exp(made, out=made)
        made += 1.0
        np.reciprocal(made, out=made)
    return made


def from_prototypes(
    prototypes: Floats,
    coefficients: Floats,
    boxes: NDArray[np.float64],
    input_size: tuple[int, int],
    *,
    logits: bool = True,
) -> Floats:
    """Masks (N, M, M) of prototypes (K, h, w) mixed by coefficients (N, K); boxes (N, 4) in pixels of the input.

    What is mixed are logits; ``logits`` says whether they are interpolated as such, else as the probabilities that they are.
    """
    count, height, width = prototypes.shape
    in_cells = boxes * np.array([width / input_size[0], height / input_size[1]] * 2)

    def part_of(row: int, left: int, top: int, right: int, bottom: int) -> Floats:
        part = np.ascontiguousarray(prototypes[:, top:bottom, left:right]).reshape(count, -1)
        # OpenCV's product, not NumPy's: that keeps a second core busy with waiting.
        mixed = cv2.gemm(coefficients[row : row + 1], part, 1.0, None, 0.0)  # type: ignore[call-overload]  # the stub does not know that a third may be missing
        made = np.asarray(mixed, np.float32).reshape(bottom - top, right - left)
        return made if logits else np.asarray(1.0 / (1.0 + np.exp(-np.clip(made, -_FURTHEST, _FURTHEST))), np.float32)

    return grids(part_of, in_cells, (width, height), logits=logits)


def from_maps(
    maps: Floats, boxes: NDArray[np.float64], input_size: tuple[int, int], *, logits: bool, cells: int | None = None
) -> Floats:
    """Masks (N, M, M) of maps (N, h, w), one for each object and each of the whole input; boxes (N, 4) in pixels of it."""
    _, height, width = maps.shape
    in_cells = boxes * np.array([width / input_size[0], height / input_size[1]] * 2)
    return grids(
        lambda row, left, top, right, bottom: maps[row, top:bottom, left:right],
        in_cells,
        (width, height),
        logits=logits,
        cells=cells,
    )
