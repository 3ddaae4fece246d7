"""The outline of one person in a box, by a network made for portraits (MediaPipe's selfie segmentation)."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detectors.litert import Network

Floats = NDArray[np.float32]

INPUT_PX = 256
MARGIN = 0.1
"""How far the crop reaches beyond the box, on each side, in box sizes."""

Segment = Callable[[NDArray[np.uint8]], Floats]
"""From a crop, uint8 (256, 256, 3) RGB, to the probability of each point, float32 (256, 256)."""


class PersonNetwork:
    """One network. Used by one thread at a time, which may change."""

    def __init__(self, content: bytes, name: str) -> None:
        """``content`` is the LiteRT file, ``name`` its name for errors. Raises ``DetectorUnavailable``."""
        self._network = Network(content, 1, name)

    def __call__(self, image: NDArray[np.uint8], box_xyxy: Floats, cells: int) -> Floats:
        """See :func:`outline`."""
        return outline(self._segment, image, box_xyxy, cells)

    def warm_up(self) -> None:
        """Compute once, on whatever the input holds."""
        self._network.invoke()

    def _segment(self, crop: NDArray[np.uint8]) -> Floats:
        np.multiply(crop, np.float32(1 / 255), out=self._network.input_view())
        self._network.invoke()
        return np.array(self._network.output_view(0)[0, :, :, 0], np.float32)


def outline(segment: Segment, image: NDArray[np.uint8], box_xyxy: Floats, cells: int) -> Floats:
    """The mask of the person in the box: probabilities, float32 (cells, cells), cells that divide the box evenly.

    ``image`` is RGB, uint8 (height, width, 3); the box, float32 (4,), is in its pixels. The network sees the box grown by
    ``MARGIN`` a side, cut to whole pixels and to the picture, and stretched. The cells are read at their true places in that
    crop, so neither cut moves the mask.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = (float(side) for side in box_xyxy)
    margin_x, margin_y = (right - left) * MARGIN, (bottom - top) * MARGIN
    x0, x1 = _whole(left - margin_x, right + margin_x, width)
    y0, y1 = _whole(top - margin_y, bottom + margin_y, height)
    crop = cv2.resize(image[y0:y1, x0:x1], (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_LINEAR)
    return read_cells(segment(np.asarray(crop, np.uint8)), (left, top, right, bottom), (x0, y0, x1, y1), cells)


def read_cells(
    probabilities: Floats, box_xyxy: tuple[float, float, float, float], crop_xyxy: tuple[int, int, int, int], cells: int
) -> Floats:
    """The probabilities over the crop (float32, square), read at the middles of the box's cells: float32 (cells, cells).

    Linear between pixels, whose middles lie at +0.5 as in ``cv2.resize``; beyond the crop its edge goes on.
    """
    size = len(probabilities)
    matrix = np.zeros((2, 3))
    for axis in (0, 1):
        per_px = size / (crop_xyxy[axis + 2] - crop_xyxy[axis])
        step = (box_xyxy[axis + 2] - box_xyxy[axis]) / cells * per_px
        matrix[axis, axis] = step
        matrix[axis, 2] = (box_xyxy[axis] - crop_xyxy[axis]) * per_px + step / 2 - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    read = cv2.warpAffine(probabilities, matrix, (cells, cells), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read, np.float32)


def _whole(low: float, high: float, size: int) -> tuple[int, int]:
    """The span in whole pixels within 0..``size``, at least one pixel wide."""
    first = min(max(int(low), 0), size - 1)
    return first, max(min(int(high), size), first + 1)
