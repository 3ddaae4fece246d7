"""From a detector's small, box-relative mask to pixels of the picture.

Geometry: the M x M cells divide the box evenly, cell (row i, column j) is a sample at its own centre, between centres the
probability is bilinear, and beyond the outermost centres it falls to 0 over one cell, so that a mask of ones ends exactly at
its box. A pixel is judged at its centre (x + 0.5, y + 0.5). This is the pasting of the Mask R-CNN reference codes (bilinear,
outside = 0, threshold last), for boxes of any size and position.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.instances import Bools, Floats

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


def pixels_of(box_xyxy: Floats | tuple[float, float, float, float], margin_px: float, width: int, height: int) -> Region:
    """The pixels of a width x height picture that a box, grown by ``margin_px`` on each side, touches; perhaps none."""
    edges = np.asarray(box_xyxy, np.float64)
    if not np.isfinite(edges).all():
        return Region(0, 0, 0, 0)
    low = np.clip(np.floor(edges[:2] - margin_px), 0, (width, height))
    high = np.clip(np.ceil(edges[2:] + margin_px), 0, (width, height))
    return Region(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def crop_mask(mask: Floats, box_xyxy: Floats, width: int, height: int) -> tuple[int, int, Floats]:
    """The probabilities of the pixels that a box touches: ``(x0, y0, probabilities)``.

    ``mask`` is float (M, M), 0..1; ``box_xyxy`` is in pixels and may reach over the edge of the width x height picture.
    The result is float32 (h, w) with its top left pixel at (x0, y0), clipped to the picture; empty, (0, 0), when the box
    has no area, is not finite or lies outside.
    """
    region = pixels_of(box_xyxy, 0, width, height)
    left, top, right, bottom = (float(edge) for edge in box_xyxy)
    if region.empty or not (right > left and bottom > top):
        return region.x0, region.y0, np.zeros((0, 0), np.float32)
    columns = _weights(np.arange(region.x0, region.x1) + 0.5, left, right, mask.shape[1])
    rows = _weights(np.arange(region.y0, region.y1) + 0.5, top, bottom, mask.shape[0])
    return region.x0, region.y0, rows @ np.asarray(mask, np.float32) @ columns.T


def binary_crop(mask: Floats, box_xyxy: Floats, width: int, height: int) -> tuple[int, int, Bools]:
    """Which pixels belong to the object: as :func:`crop_mask`, thresholded: ``(x0, y0, bool (h, w))``."""
    x0, y0, probabilities = crop_mask(mask, box_xyxy, width, height)
    return x0, y0, probabilities > THRESHOLD


def edge_field(mask: Floats, box_xyxy: Floats, region: Region) -> NDArray[np.uint8]:
    """Signed distance in pixels from each pixel of ``region`` to the outline, positive inside.

    uint8 (h, w): ``FIELD_ZERO`` + ``FIELD_PER_PX`` x distance, saturated. The distance is to first order,
    (probability - 0.5) / slope, which is what an anti-aliased edge needs. Large boxes are sampled every second or
    fourth pixel and interpolated between: bilinear in bilinear, exact but for the kinks at cell borders.
    """
    left, top, right, bottom = (float(edge) for edge in box_xyxy)
    width, height = region.x1 - region.x0, region.y1 - region.y0
    cell_px = min((right - left) / mask.shape[1], (bottom - top) / mask.shape[0])
    step = 4 if cell_px >= 8 else 2 if cell_px >= 3 else 1
    columns = _weights(region.x0 + step * (np.arange(-(-width // step)) + 0.5), left, right, mask.shape[1])
    rows = _weights(region.y0 + step * (np.arange(-(-height // step)) + 0.5), top, bottom, mask.shape[0])
    probabilities = rows @ np.asarray(mask, np.float32) @ columns.T
    slope_x = cv2.Sobel(probabilities, cv2.CV_32F, 1, 0, ksize=3, scale=1 / (8 * step))
    slope_y = cv2.Sobel(probabilities, cv2.CV_32F, 0, 1, ksize=3, scale=1 / (8 * step))
    slope = np.maximum(cv2.magnitude(slope_x, slope_y), _FLATTEST_PER_PX)
    field = (probabilities - THRESHOLD) / slope * FIELD_PER_PX + (FIELD_ZERO + 0.5)
    coarse = np.clip(field, 0, 255).astype(np.uint8)
    if step == 1:
        return coarse
    fine = cv2.resize(coarse, (coarse.shape[1] * step, coarse.shape[0] * step), interpolation=cv2.INTER_LINEAR)
    return np.asarray(fine[:height, :width], np.uint8)


def _weights(positions_px: NDArray[np.float64], low: float, high: float, cells: int) -> Floats:
    """How much of each cell is in the bilinear value at each position: float32 (positions, cells); outside is nothing."""
    in_cells = (positions_px - low) * (cells / (high - low)) - 0.5
    return np.maximum(0, 1 - np.abs(in_cells[:, None] - np.arange(cells))).astype(np.float32)
