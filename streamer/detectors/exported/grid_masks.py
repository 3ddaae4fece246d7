"""Masks relative to their boxes, from maps of the whole input: prototypes with coefficients, or one map for each object."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detectors.exported.picture_input import Fit

Floats = NDArray[np.float32]

LEAST_CELLS, MOST_CELLS = 33, 112
"""Cells a side of a mask: more for larger objects, so that their outlines have no stairs."""
CELLS_FOR_ONE = 3.0
"""Cells of a mask for one of the map, along the longer side of the largest object: with fewer, outlines lose their bends."""
MOST_TRUED_PX = 2 * MOST_CELLS
"""A side of a map of pixels up to which cells are made true to them: pixels of larger objects are like their neighbours."""
_ROUNDS = 3
"""Of making them true: each takes about half of what is wrong in maps that differ from pixel to pixel."""
FINER = (1, 2, 4)
"""How many times as many cells a map gets so that padding ends between two of them; YOLO's maps have one for four pixels."""
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
    bounds: tuple[int, int, int, int],
    *,
    logits: bool = True,
    cells: int | None = None,
    true_to_pixels: bool = False,
) -> Floats:
    """Masks (N, M, M), probabilities, of boxes (N, 4) in cells of maps; M is ``cells`` if given.

    ``part_of(row, left, top, right, bottom)`` is the map of one object inside those bounds. Where the maps hold logits, these
    are interpolated and not the probabilities, as the frameworks do. A box that is none, or beside the map, has an empty mask.
    ``true_to_pixels`` says that the maps are probabilities of pixels: whoever reads the masks at these is to find them again.
    ``bounds`` are left, top, right and bottom of what there is of the maps: nothing beside it is asked for.
    """
    first_x, first_y, end_x, end_y = bounds
    cells = cells or cells_for(boxes)
    made = np.full((len(boxes), cells, cells), -_FURTHEST if logits else 0.0, np.float32)
    # Plain numbers: NumPy takes longer for four of them than for the mask.
    for row, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        # Networks without distances of their own, as YOLO26, give boxes with their sides in the wrong order.
        if not (math.isfinite(x0 + y0 + x1 + y1) and x0 < x1 and y0 < y1):
            continue
        left, top = (
            min(max(math.floor(side) - 1, least), most) for side, least, most in ((x0, first_x, end_x), (y0, first_y, end_y))
        )
        right, bottom = (
            min(max(math.ceil(side) + 1, least), most) for side, least, most in ((x1, first_x, end_x), (y1, first_y, end_y))
        )
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
        if true_to_pixels and max(part.shape) <= MOST_TRUED_PX:
            _make_true(made[row], part, matrix)
    if logits:
        np.clip(made, -_FURTHEST, _FURTHEST, out=made)
        np.negative(made, out=made)
        np.exp(made, out=made)
        made += 1.0
        np.reciprocal(made, out=made)
    return made


def _make_true(mask: Floats, part: Floats, matrix: NDArray[np.float64]) -> None:
    """Change the cells of one mask so that interpolating between them gives the values of ``part`` at its own places.

    ``matrix`` leads from the mask's cells to the part's. Cells that were interpolated themselves would be smoother.
    """
    back = cv2.invertAffineTransform(matrix)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    # Only what lies in the box counts: beside it there may be anything.
    (across, _, x), (_, down, y) = matrix.tolist()
    height, width = mask.shape
    left, right = max(0, math.ceil(x - across / 2)), math.floor(x + (width - 0.5) * across) + 1
    top, bottom = max(0, math.ceil(y - down / 2)), math.floor(y + (height - 0.5) * down) + 1
    wrong = np.zeros_like(part)
    for _ in range(_ROUNDS):
        read = cv2.warpAffine(mask, back, part.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        np.subtract(part[top:bottom, left:right], read[top:bottom, left:right], out=wrong[top:bottom, left:right])
        mask += cv2.warpAffine(wrong, matrix, mask.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    np.clip(mask, 0.0, 1.0, out=mask)


def from_prototypes(
    prototypes: Floats,
    coefficients: Floats,
    boxes: NDArray[np.float64],
    fit: Fit,
    *,
    logits: bool = True,
) -> Floats:
    """Masks (N, M, M) of prototypes (K, h, w) mixed by coefficients (N, K); boxes (N, 4) in pixels of the input.

    What is mixed are logits; ``logits`` says whether they are interpolated as such, else as the probabilities that they are.
    As in the framework, padding beside the picture is cut off before. Where it ends inside a cell, logits are interpolated to
    cells that are a half or a quarter as wide first, so that it ends between two of these.
    """
    count, height, width = prototypes.shape
    scale = np.array([width / fit.input_size[0], height / fit.input_size[1]] * 2)
    picture = np.array([fit.left, fit.top, fit.left + fit.used[0], fit.top + fit.used[1]]) * scale
    finer = next((finer for finer in FINER if _is_whole(picture * finer)), 1) if logits else 1
    bounds = (picture if _is_whole(picture * finer) else np.array([0, 0, width, height])) * finer

    def part_of(row: int, left: int, top: int, right: int, bottom: int) -> Floats:
        part = np.ascontiguousarray(prototypes[:, top:bottom, left:right]).reshape(count, -1)
        # OpenCV's product, not NumPy's: that keeps a second core busy with waiting.
        mixed = cv2.gemm(coefficients[row : row + 1], part, 1.0, None, 0.0)  # type: ignore[call-overload]  # the stub does not know that a third may be missing
        made = np.asarray(mixed, np.float32).reshape(bottom - top, right - left)
        return made if logits else np.asarray(1.0 / (1.0 + np.exp(-np.clip(made, -_FURTHEST, _FURTHEST))), np.float32)

    def finer_part_of(row: int, left: int, top: int, right: int, bottom: int) -> Floats:
        x0, y0 = max(left // finer - 1, 0), max(top // finer - 1, 0)
        x1, y1 = min(-(-right // finer) + 1, width), min(-(-bottom // finer) + 1, height)
        part = cv2.resize(part_of(row, x0, y0, x1, y1), None, fx=finer, fy=finer, interpolation=cv2.INTER_LINEAR)
        return np.asarray(part[top - y0 * finer : bottom - y0 * finer, left - x0 * finer : right - x0 * finer], np.float32)

    left, top, right, bottom = (int(side) for side in bounds)
    return grids(
        part_of if finer == 1 else finer_part_of,
        boxes * scale * finer,
        (left, top, right, bottom),
        logits=logits,
        cells=cells_for(boxes * scale),
    )


def _is_whole(numbers: NDArray[np.float64]) -> bool:
    return bool((numbers == np.rint(numbers)).all())


def from_maps(
    maps: Floats,
    boxes: NDArray[np.float64],
    input_size: tuple[int, int],
    *,
    logits: bool,
    cells: int | None = None,
    true_to_pixels: bool = False,
) -> Floats:
    """Masks (N, M, M) of maps (N, h, w), one for each object and each of the whole input; boxes (N, 4) in pixels of it."""
    _, height, width = maps.shape
    in_cells = boxes * np.array([width / input_size[0], height / input_size[1]] * 2)
    return grids(
        lambda row, left, top, right, bottom: maps[row, top:bottom, left:right],
        in_cells,
        (0, 0, width, height),
        logits=logits,
        cells=cells,
        true_to_pixels=true_to_pixels,
    )
