"""The outline of one person in a box, by a network made for portraits (MediaPipe's selfie segmentation)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.crops import Square
from streamer.detectors.litert import Network
from streamer.detectors.outline_edges import refine

Floats = NDArray[np.float32]

INPUT_PX = 256
MARGIN = 0.1
"""How far the square reaches beyond the box's longer side, on each side, in box sizes. People who walk gain a little by 0.2,
but close-ups lose: whole people are missed."""

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

    ``image`` is RGB, uint8 (height, width, 3); the box, float32 (4,), is in its pixels.
    """
    square = Square.around(box_xyxy, MARGIN)
    crop = square.pixels(image, INPUT_PX)
    return refine(square.cells(segment(crop), box_xyxy, cells), square.luma(crop, box_xyxy, cells))
