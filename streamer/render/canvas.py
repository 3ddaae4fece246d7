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
    """Paint with its strength, ready to lay over a picture: a sample becomes ``sample * kept / 255 + paint``.

    Both arrays are uint8 (1, h * w * 3 / 2): luma (h, w), then cb and cr (h / 2, w / 2); ``w`` and ``h`` are even. In one row,
    so that all planes are reckoned at once: a tag is so small that each call costs more than its samples.
    """

    kept: Plane
    """How much of the samples stays."""
    paint: Plane
    width: int
    height: int

    @classmethod
    def of(cls, kept: Plane, color: Yuv) -> Layer:
        """One colour, laid on where little of the picture is ``kept`` (h, w), 0..255."""
        half = halved(kept)
        paints = (_paint(part, sample).ravel() for part, sample in zip((kept, half, half), color, strict=True))
        kepts = np.concatenate([kept.ravel(), half.ravel(), half.ravel()])[None]
        return cls(kepts, np.concatenate(list(paints))[None], kept.shape[1], kept.shape[0])

    def over(self, below: Layer) -> Layer:
        """The paint of both, this one on top; they are of one size."""
        paint = np.asarray(cv2.add(_mixed(self.kept, below.paint), self.paint), np.uint8)
        return self._replace(kept=_mixed(self.kept, below.kept), paint=paint)

    def faded(self, opacity: float) -> Layer:
        """The same paint, 0..1 as strong."""
        kept = np.asarray(cv2.convertScaleAbs(self.kept, alpha=opacity, beta=255 * (1 - opacity)), np.uint8)
        return self._replace(kept=kept, paint=np.asarray(cv2.convertScaleAbs(self.paint, alpha=opacity), np.uint8))

    def planes(self, samples: Plane) -> tuple[Plane, Plane, Plane]:
        """Luma, cb and cr of such a row of samples, on its own memory."""
        half = self.height // 2, self.width // 2
        luma, chroma = self.width * self.height, half[0] * half[1]
        row = samples[0]
        return (
            row[:luma].reshape(self.height, self.width),
            row[luma : luma + chroma].reshape(half),
            row[luma + chroma :].reshape(half),
        )


_BEYOND_PX = 64
"""How far outside the picture edges are cut: out of sight."""


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
        low, across, down = -_BEYOND_PX, self.luma.shape[1] + _BEYOND_PX, self.luma.shape[0] + _BEYOND_PX
        if left < low or top < low or right > across or bottom > down:
            left, right = (min(max(x, low), across) for x in (left, right))
            top, bottom = (min(max(y, low), down) for y in (top, bottom))
        x0, x1 = 2 * round((left + self.shift_x) / 2) - self.shift_x, 2 * round((right + self.shift_x) / 2) - self.shift_x
        y0, y1 = 2 * round((top + self.shift_y) / 2) - self.shift_y, 2 * round((bottom + self.shift_y) / 2) - self.shift_y
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
        mixed = np.empty_like(layer.paint)  # what lies outside the picture is reckoned with, and shown nowhere
        planes = []
        for plane, near, left, top in zip(self[:3], layer.planes(mixed), (x0, x, x), (y0, y, y), strict=True):
            target, part = _under(plane, near.shape, left, top)
            near = near[part]
            near[...] = target
            planes.append((target, near))
        cv2.multiply(mixed, layer.kept, dst=mixed, scale=1 / 255)
        cv2.add(mixed, layer.paint, dst=mixed)
        for target, near in planes:
            target[...] = near

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


def _blend(plane: Plane, kept: Plane, sample: int, x0: int, y0: int) -> None:
    target, part = _under(plane, kept.shape, x0, y0)
    if target.size:
        kept = kept[part]
        near = target.copy()  # short rows from afar: fetched in one sweep, not within the arithmetic
        cv2.multiply(near, kept, dst=near, scale=1 / 255)
        cv2.addWeighted(near, 1, kept, -sample / 255, sample, dst=target)


_WHOLE = slice(None), slice(None)


def _under(plane: Plane, shape: tuple[int, ...], x0: int, y0: int) -> tuple[Plane, tuple[slice, slice]]:
    """The samples of a plane under an array of this shape at (x0, y0), and which part of the array lies over them."""
    height, width = plane.shape
    if x0 >= 0 and y0 >= 0 and x0 + shape[1] <= width and y0 + shape[0] <= height:
        return plane[y0 : y0 + shape[0], x0 : x0 + shape[1]], _WHOLE
    top, left = max(0, -y0), max(0, -x0)
    rows, columns = slice(top, max(top, min(shape[0], height - y0))), slice(left, max(left, min(shape[1], width - x0)))
    return plane[y0 + top : y0 + rows.stop, x0 + left : x0 + columns.stop], (rows, columns)


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
