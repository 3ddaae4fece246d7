"""The upright planes of a picture, to draw on."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from streamer.frame import Plane
from streamer.render.masks import Box, Region
from streamer.render.palette import Yuv


class Layer(NamedTuple):
    """Paint with its strength, for each plane: a sample becomes ``sample * kept / 255 + paint``; uint8, even sizes."""

    kept: Plane
    """How much of the luma stays."""
    kept_chroma: Plane
    """How much of the chroma stays."""
    luma: Plane
    cb: Plane
    cr: Plane

    @classmethod
    def of(cls, kept: Plane, color: Yuv) -> Layer:
        """One colour, laid on where little of the picture is ``kept`` (0..255)."""
        half = halved(kept)
        return cls(kept, half, _paint(kept, color.y), _paint(half, color.u), _paint(half, color.v))

    def over(self, below: Layer) -> Layer:
        """The paint of both, this one on top."""
        kept = _mixed(self.kept, below.kept)
        kept_chroma = _mixed(self.kept_chroma, below.kept_chroma)
        return Layer(
            kept,
            kept_chroma,
            np.asarray(cv2.add(_mixed(self.kept, below.luma), self.luma), np.uint8),
            np.asarray(cv2.add(_mixed(self.kept_chroma, below.cb), self.cb), np.uint8),
            np.asarray(cv2.add(_mixed(self.kept_chroma, below.cr), self.cr), np.uint8),
        )

    def faded(self, opacity: float) -> Layer:
        """The same paint, 0..1 as strong."""
        paints = (np.asarray(cv2.convertScaleAbs(paint, alpha=opacity), np.uint8) for paint in self[2:])
        kepts = (np.asarray(cv2.convertScaleAbs(k, alpha=opacity, beta=255 * (1 - opacity)), np.uint8) for k in self[:2])
        return Layer(*kepts, *paints)


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
        return int(self.luma.shape[1])

    @property
    def height(self) -> int:
        """Pixels of the luma plane."""
        return int(self.luma.shape[0])

    def aligned(self, region: Region) -> Region:
        """The smallest region around a region that holds whole chroma samples; may reach one pixel over the edge."""
        return Region(
            (region.x0 + self.shift_x) // 2 * 2 - self.shift_x,
            (region.y0 + self.shift_y) // 2 * 2 - self.shift_y,
            -(-(region.x1 + self.shift_x) // 2) * 2 - self.shift_x,
            -(-(region.y1 + self.shift_y) // 2) * 2 - self.shift_y,
        )

    def snapped(self, box_xyxy: Box) -> Region | None:
        """A box with its edges moved to the nearest chroma samples' edges, at least one sample wide; None for no box.

        What lies far outside the picture is cut, out of sight.
        """
        left, top, right, bottom = map(float, box_xyxy)
        if not (math.isfinite(left + top + right + bottom) and right > left and bottom > top):
            return None
        width, height, beyond = self.width, self.height, 64
        x0 = 2 * round((min(max(left, -beyond), width + beyond) + self.shift_x) / 2) - self.shift_x
        y0 = 2 * round((min(max(top, -beyond), height + beyond) + self.shift_y) / 2) - self.shift_y
        x1 = 2 * round((min(max(right, -beyond), width + beyond) + self.shift_x) / 2) - self.shift_x
        y1 = 2 * round((min(max(bottom, -beyond), height + beyond) + self.shift_y) / 2) - self.shift_y
        return Region(x0, y0, max(x1, x0 + 2), max(y1, y0 + 2))

    def blend(self, kept: Plane, x0: int, y0: int, color: Yuv) -> None:
        """Lay a colour over the picture; ``kept`` (h, w) says how much of it stays, 0..255; top left at an aligned (x0, y0).

        Chroma keeps the mean of the pixels that it covers. Where all is kept no sample changes.
        """
        x, y, half = (x0 + self.shift_x) // 2, (y0 + self.shift_y) // 2, halved(kept)
        _blend(self.luma, kept, color.y, x0, y0)
        _blend(self.cb, half, color.u, x, y)
        _blend(self.cr, half, color.v, x, y)

    def lay(self, layer: Layer, x0: int, y0: int) -> None:
        """Lay prepared paint over the picture, its top left at an aligned (x0, y0)."""
        x, y = (x0 + self.shift_x) // 2, (y0 + self.shift_y) // 2
        _lay(self.luma, layer.kept, layer.luma, x0, y0)
        _lay(self.cb, layer.kept_chroma, layer.cb, x, y)
        _lay(self.cr, layer.kept_chroma, layer.cr, x, y)

    def frame(self, region: Region, line_px: int, color: Yuv, opacity: float) -> None:
        """Draw a rectangular frame along the inner side of an aligned region, 0..1 strong; ``line_px`` is even."""
        x0, y0, x1, y1 = region
        _frame(self.luma, region, line_px, color.y, opacity)
        half = Region((x0 + self.shift_x) // 2, (y0 + self.shift_y) // 2, (x1 + self.shift_x) // 2, (y1 + self.shift_y) // 2)
        _frame(self.cb, half, line_px // 2, color.u, opacity)
        _frame(self.cr, half, line_px // 2, color.v, opacity)


def _paint(kept: Plane, sample: int) -> Plane:
    return np.asarray(cv2.convertScaleAbs(kept, alpha=-sample / 255, beta=sample), np.uint8)


def _mixed(kept: Plane, samples: Plane) -> Plane:
    return np.asarray(cv2.multiply(kept, samples, scale=1 / 255), np.uint8)


def halved(plane: Plane) -> Plane:
    """The mean of each 2 x 2 block of a plane of even size."""
    return np.asarray(cv2.resize(plane, (plane.shape[1] // 2, plane.shape[0] // 2), interpolation=cv2.INTER_AREA), np.uint8)


def _lay(plane: Plane, kept: Plane, paint: Plane, x0: int, y0: int) -> None:
    target, part = _under(plane, kept.shape, x0, y0)
    if target.size:
        cv2.add(_times(target, kept[part]), paint[part], dst=target)


def _blend(plane: Plane, kept: Plane, sample: int, x0: int, y0: int) -> None:
    target, part = _under(plane, kept.shape, x0, y0)
    if target.size:
        kept = kept[part]
        cv2.addWeighted(_times(target, kept), 1, kept, -sample / 255, sample, dst=target)


_WHOLE = slice(None), slice(None)


def _under(plane: Plane, shape: tuple[int, ...], x0: int, y0: int) -> tuple[Plane, tuple[slice, slice]]:
    """The samples of a plane under an array of this shape at (x0, y0), and which part of the array lies over them."""
    height, width = plane.shape
    if x0 >= 0 and y0 >= 0 and x0 + shape[1] <= width and y0 + shape[0] <= height:
        return plane[y0 : y0 + shape[0], x0 : x0 + shape[1]], _WHOLE
    top, left = max(0, -y0), max(0, -x0)
    rows, columns = slice(top, max(top, min(shape[0], height - y0))), slice(left, max(left, min(shape[1], width - x0)))
    return plane[y0 + top : y0 + rows.stop, x0 + left : x0 + columns.stop], (rows, columns)


def _times(samples: Plane, kept: Plane) -> Plane:
    near = samples.copy()  # short rows from afar: fetched in one sweep, not within the arithmetic
    return np.asarray(cv2.multiply(near, kept, dst=near, scale=1 / 255), np.uint8)


def _frame(plane: Plane, region: Region, line: int, sample: int, opacity: float) -> None:
    x0, y0, x1, y1 = region
    if opacity >= 1:
        for inset in range(min(line, (x1 - x0 + 1) // 2, (y1 - y0 + 1) // 2)):
            cv2.rectangle(plane, (x0 + inset, y0 + inset), (x1 - 1 - inset, y1 - 1 - inset), (sample,))
        return
    low, high = min(y0 + line, y1), max(y0, y1 - line)
    near, far = min(x0 + line, x1), max(x0, x1 - line)
    left, right = max(0, x0), max(0, x1)
    for top, bottom, start, stop in (
        (y0, low, left, right),
        (max(low, high), y1, left, right),
        (low, high, max(0, x0), near),
        (low, high, max(near, far, 0), right),
    ):
        target = plane[max(0, top) : max(0, bottom), start : max(0, stop)]
        if target.size:
            cv2.convertScaleAbs(target, dst=target, alpha=1 - opacity, beta=opacity * sample)
