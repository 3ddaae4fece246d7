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
FIELD_ZERO = 128
"""Value of an edge field on the outline."""
FIELD_PER_PX = 16
"""Steps of an edge field for each pixel of distance to the outline: it saturates 8 pixels away."""

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
        math.floor(min(max(left - margin_px, 0), width)),
        math.floor(min(max(top - margin_px, 0), height)),
        math.ceil(min(max(right + margin_px, 0), width)),
        math.ceil(min(max(bottom + margin_px, 0), height)),
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
    return region.x0, region.y0, _sample(mask, box_xyxy, region, 1)


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


def edge_field(mask: Floats, box_xyxy: Box, region: Region) -> NDArray[np.uint8]:
    """Signed distance in pixels from each pixel of ``region`` to the outline, positive inside.

    uint8 (h, w): ``FIELD_ZERO`` + ``FIELD_PER_PX`` x distance, saturated. The distance is to first order,
    (probability - 0.5) / slope, which is what an anti-aliased edge needs. Large boxes are sampled every second or fourth
    pixel, at least four samples to a cell, and interpolated between: bilinear in bilinear, exact but for the kinks at
    cells' centres.
    """
    left, top, right, bottom = map(float, box_xyxy)
    cell_px = min((right - left) / mask.shape[1], (bottom - top) / mask.shape[0])
    step = 4 if cell_px >= 16 else 2 if cell_px >= 4 else 1
    x0, y0, x1, y1 = region
    probabilities = _sample(mask, box_xyxy, Region(x0 - step, y0 - step, x1 + step, y1 + step), step)  # with the samples beside
    slope = np.asarray(cv2.magnitude(_rise(probabilities), _rise(probabilities.T).T), np.float32)  # over 2 * step pixels
    np.maximum(slope, _FLATTEST_PER_PX * 2 * step, out=slope)
    probabilities -= THRESHOLD
    distance = np.divide(probabilities, slope, out=probabilities)
    reach = FIELD_ZERO / (FIELD_PER_PX * 2 * step)
    np.clip(distance, -reach, reach, out=distance)
    if step > 1:  # enlarging floats and converting then is faster than enlarging bytes, and finer
        size = distance.shape[1] * step, distance.shape[0] * step
        distance = np.asarray(cv2.resize(distance, size, interpolation=cv2.INTER_LINEAR), np.float32)
    inner = distance[step : step + y1 - y0, step : step + x1 - x0]
    return np.asarray(cv2.convertScaleAbs(inner, alpha=FIELD_PER_PX * 2 * step, beta=FIELD_ZERO), np.uint8)


def _rise(values: Floats) -> Floats:
    """Difference of the next and the last value in each row; at both ends as beside them. At least three columns."""
    rise = np.empty_like(values)
    np.subtract(values[:, 2:], values[:, :-2], out=rise[:, 1:-1])
    rise[:, 0], rise[:, -1] = rise[:, 1], rise[:, -2]
    return rise


def _sample(mask: Floats, box_xyxy: Box, region: Region, step: int) -> Floats:
    """The bilinear value of a mask at the centre of each step x step block of a region, 0 outside: float32 (h, w)."""
    left, top, right, bottom = map(float, box_xyxy)
    across, down = mask.shape[1] / (right - left), mask.shape[0] / (bottom - top)
    to_cells = np.array(
        [
            [across * step, 0, (region.x0 + step / 2 - left) * across - 0.5],
            [0, down * step, (region.y0 + step / 2 - top) * down - 0.5],
        ]
    )
    size = (-(-(region.x1 - region.x0) // step), -(-(region.y1 - region.y0) // step))
    # Not a matrix product, though it is faster in a quiet process: BLAS threads that wait for each other are not.
    sampled = cv2.warpAffine(np.asarray(mask, np.float32), to_cells, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(sampled, np.float32)
