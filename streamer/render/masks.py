"""From a detector's small, box-relative mask to pixels of the picture.

Geometry: the M x M cells divide the box evenly, cell (row i, column j) is a sample at its own centre, between centres the
probability is bilinear, and beyond the outermost centres it falls to 0 over one cell, so that a mask of ones ends exactly at
its box. A pixel is judged at its centre (x + 0.5, y + 0.5). This is the pasting of the Mask R-CNN reference codes (bilinear,
outside = 0, threshold last), for boxes of any size and position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.instances import Bools, Floats

Box = Floats | Sequence[float]
"""Left, top, right, bottom in pixels."""
THRESHOLD = 0.5
"""Probability from which a pixel belongs to the object."""
FIELD_END = 32767
"""Value of an edge field as far inside an object as it reaches; 0 lies on the outline."""

_FLATTEST_PER_PX = 1 / 400  # below this slope (probability per pixel) a plateau near the threshold is no edge


class Region(NamedTuple):
    """Whole pixels, right and bottom exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.x0 >= self.x1 or self.y0 >= self.y1


NOWHERE = Region(0, 0, 0, 0)


def pixels_of(box_xyxy: Box, margin_px: float, width: int, height: int) -> Region:
    """The pixels of a width x height picture that a box, grown by ``margin_px`` on each side, touches; perhaps none."""
    left, top, right, bottom = map(float, box_xyxy)
    if not math.isfinite(left + top + right + bottom):
        return NOWHERE
    return Region(
        min(max(math.floor(left - margin_px), 0), width),
        min(max(math.floor(top - margin_px), 0), height),
        min(max(math.ceil(right + margin_px), 0), width),
        min(max(math.ceil(bottom + margin_px), 0), height),
    )


def crop_mask(mask: Floats, box_xyxy: Box, width: int, height: int) -> tuple[int, int, Floats]:
    """The probabilities of the pixels that a box touches: ``(x0, y0, probabilities)``.

    ``mask`` is float (M, M), 0..1; ``box_xyxy`` is in pixels and may reach over the edge of the width x height picture.
    The result is float32 (h, w) with its top left pixel at (x0, y0), clipped to the picture; empty, (0, 0), when the box
    has no area, is not finite or lies outside.
    """
    region = pixels_of(box_xyxy, 0, width, height)
    left, top, right, bottom = map(float, box_xyxy)
    if region.empty or not (right > left and bottom > top):
        return region.x0, region.y0, np.zeros((0, 0), np.float32)
    return region.x0, region.y0, _sample(mask, box_xyxy, region)


def binary_crop(mask: Floats, box_xyxy: Box, width: int, height: int) -> tuple[int, int, Bools]:
    """Which pixels belong to the object: as :func:`crop_mask`, thresholded: ``(x0, y0, bool (h, w))``."""
    x0, y0, probabilities = crop_mask(mask, box_xyxy, width, height)
    return x0, y0, probabilities > THRESHOLD


def extent(mask: Floats, box_xyxy: Box) -> tuple[float, float, float, float] | None:
    """The part of a box that can hold pixels of the object (left, top, right, bottom); None when no cell does."""
    columns, rows, width, height = cv2.boundingRect((mask > THRESHOLD).view(np.uint8))
    if width == 0:
        return None
    left, top, right, bottom = map(float, box_xyxy)
    cell_x, cell_y = (right - left) / mask.shape[1], (bottom - top) / mask.shape[0]
    return (  # at the next cell's centre, half a cell on, the probability is below the threshold
        max(left, left + (columns - 0.5) * cell_x),
        max(top, top + (rows - 0.5) * cell_y),
        min(right, left + (columns + width + 0.5) * cell_x),
        min(bottom, top + (rows + height + 0.5) * cell_y),
    )


def edge_field(mask: Floats, box_xyxy: Box, region: Region, reach_px: float = 8.0) -> NDArray[np.int16]:
    """Signed distance from each pixel of ``region`` to the outline, positive inside.

    int16 (h, w): ``FIELD_END`` / ``reach_px`` for a pixel of distance, saturated. The distance is to first order,
    (probability - 0.5) / slope, which is what an anti-aliased edge needs. Where cells are large it is taken every few pixels
    only, at least five times in two cells, and interpolated between: bilinear in bilinear, exact but for the kinks at cells'
    centres.
    """
    left, top, right, bottom = map(float, box_xyxy)
    step_x, step_y = _step((right - left) / mask.shape[1]), _step((bottom - top) / mask.shape[0])
    x0, y0, x1, y1 = region
    around = Region(x0 - 2 * step_x, y0 - 2 * step_y, x1 + 2 * step_x, y1 + 2 * step_y)  # with the samples beside
    above = _sample(mask - np.float32(THRESHOLD), box_xyxy, around, step_x, step_y, -THRESHOLD)
    run = cv2.subtract(above[1:-1, 2:], above[1:-1, :-2])
    scale = step_x / step_y
    rise = cv2.addWeighted(above[2:, 1:-1], scale, above[:-2, 1:-1], -scale, 0)
    slope = cv2.magnitude(run, rise, run)  # over 2 step_x pixels
    slope = cv2.max(slope, _FLATTEST_PER_PX * 2 * step_x, dst=slope)  # type: ignore[call-overload]  # it takes numbers
    per_px = FIELD_END / reach_px
    field = cv2.divide(above[1:-1, 1:-1], slope, scale=2 * step_x * per_px, dtype=cv2.CV_16S)  # saturates
    if step_x > 1 or step_y > 1:  # OpenCV enlarges 16 bits faster than 8
        field = cv2.resize(field, (field.shape[1] * step_x, field.shape[0] * step_y), interpolation=cv2.INTER_LINEAR)
    return np.asarray(field, np.int16)[step_y : step_y + y1 - y0, step_x : step_x + x1 - x0]


def _step(cell_px: float) -> int:
    """How many pixels apart samples may lie."""
    return min(5, int(cell_px / 3)) if cell_px >= 9 else 2 if cell_px >= 5 else 1


def _sample(mask: Floats, box_xyxy: Box, region: Region, step_x: int = 1, step_y: int = 1, outside: float = 0.0) -> Floats:
    """The bilinear value of a mask at the centre of each block of pixels of a region, ``outside`` beyond it: float32 (h, w)."""
    left, top, right, bottom = map(float, box_xyxy)
    across, down = mask.shape[1] / (right - left), mask.shape[0] / (bottom - top)
    to_cells = np.array(
        (
            (across * step_x, 0.0, (region.x0 + step_x / 2 - left) * across - 0.5),
            (0.0, down * step_y, (region.y0 + step_y / 2 - top) * down - 0.5),
        )
    )
    size = (-(-(region.x1 - region.x0) // step_x), -(-(region.y1 - region.y0) // step_y))
    # Not a matrix product, though it is faster in a quiet process: BLAS threads that wait for each other are not.
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    sampled = cv2.warpAffine(np.asarray(mask, np.float32), to_cells, size, flags=flags, borderValue=(outside,))
    return np.asarray(sampled, np.float32)
