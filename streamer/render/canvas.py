"""The upright planes of a picture, to draw on."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from streamer.frame import Plane
from streamer.render.masks import Region
from streamer.render.palette import Yuv


class Canvas(NamedTuple):
    """Upright Y, U and V planes of a 4:2:0 picture, writable.

    Chroma sample i covers the luma columns ``2 i - shift_x`` and ``2 i + 1 - shift_x`` (rows alike): a shift of 1 is what
    turning or mirroring a picture of odd size upright leaves.
    """

    luma: Plane
    cb: Plane
    cr: Plane
    shift_x: int = 0
    shift_y: int = 0

    @property
    def width(self) -> int:
        """Pixels of the luma plane."""
        return self.luma.shape[1]

    @property
    def height(self) -> int:
        """Pixels of the luma plane."""
        return self.luma.shape[0]

    def aligned(self, region: Region) -> Region:
        """The smallest region around a region that holds whole chroma samples; may reach one pixel over the edge."""
        return Region(
            (region.x0 + self.shift_x) // 2 * 2 - self.shift_x,
            (region.y0 + self.shift_y) // 2 * 2 - self.shift_y,
            -(-(region.x1 + self.shift_x) // 2) * 2 - self.shift_x,
            -(-(region.y1 + self.shift_y) // 2) * 2 - self.shift_y,
        )

    def blend(self, alpha: Plane, x0: int, y0: int, color: Yuv) -> None:
        """Lay a colour over the picture, ``alpha`` (h, w) 0..255 strong, its top left at an aligned (x0, y0).

        Chroma takes the mean strength of the pixels that it covers. Where alpha is 0 no sample changes.
        """
        _blend(self.luma, alpha, x0, y0, color.y)
        half = np.asarray(cv2.resize(alpha, (alpha.shape[1] // 2, alpha.shape[0] // 2), interpolation=cv2.INTER_AREA), np.uint8)
        x, y = (x0 + self.shift_x) // 2, (y0 + self.shift_y) // 2
        _blend(self.cb, half, x, y, color.u)
        _blend(self.cr, half, x, y, color.v)


def _blend(plane: Plane, alpha: Plane, x0: int, y0: int, sample: int) -> None:
    top, left = max(0, -y0), max(0, -x0)
    target = plane[y0 + top : y0 + alpha.shape[0], x0 + left : x0 + alpha.shape[1]]
    if target.size == 0:
        return
    alpha = alpha[top : top + target.shape[0], left : left + target.shape[1]]
    kept = cv2.multiply(target, cv2.bitwise_not(alpha), scale=1 / 255)
    laid = cv2.convertScaleAbs(alpha, alpha=sample / 255)
    cv2.add(kept, laid, dst=target)
