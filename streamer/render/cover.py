"""Covering parts of a picture, so that nobody can be recognised in them."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import av
import cv2
import numpy as np

from streamer.frame import Frame, Plane
from streamer.instances import Floats
from streamer.render.canvas import Canvas
from streamer.render.copies import upright_canvas, writable
from streamer.render.labels import painted, tag
from streamer.render.masks import Box, Region
from streamer.render.palette import BLACK, WHITE, yuv_of

log = logging.getLogger(__name__)

Method = Literal["blur", "pixelate", "fill"]
METHODS: tuple[Method, ...] = ("blur", "pixelate", "fill")
"""How a part is covered, from the mildest to the strongest."""
GRID_PX = 4
"""Shapes are known in squares of so many pixels."""
_CELLS = (8, 16, 32, 64, 128, 256)
"""Sizes in pixels of the cells that are averaged: few, and at fixed places, so that what stands still does not shimmer."""
_CELLS_ACROSS = 10
"""A covered object is at most so many cells high: a person's head is one."""
_INSIDE = 0.2
"""Probability from which a point may belong to the object."""
_SPANS = 0.85
"""A mask is believed if it reaches over so much of its box's width and height; else the whole box is covered."""
_ROWS = 8
"""So many rows of a cell go into its mean, half of them in a cell of eight: more show no difference, and take longer."""
_FILL = 64
"""Luma of what is filled."""
_GRAY = 128
"""Chroma samples without a colour."""


class Shape(NamedTuple):
    """A part of a picture to cover, in squares of ``GRID_PX`` pixels of the upright picture."""

    x: int
    """Column of its left squares."""
    y: int
    """Row of its upper squares."""
    mask: Plane
    """uint8 (h, w): 255 where it is, else 0."""
    method: Method
    cell_px: int
    """Size of the cells that are averaged, one of a few powers of two."""


@dataclass(frozen=True, slots=True)
class Cover:
    """What must be covered of one frame. Implements ``stages.Cover``."""

    shapes: tuple[Shape, ...] = ()
    whole: str = ""
    """Why the whole picture is covered, in a few words; empty where only ``shapes`` are."""

    def covered(self, frame: Frame) -> av.VideoFrame:
        """A new picture of ``frame``, as stored, with all of it covered."""
        picture = writable(frame)
        with upright_canvas(picture, frame.orientation) as canvas:
            if self.whole:
                _cover_all(canvas, picture, self.whole)
            else:
                try:
                    for shape in self.shapes:
                        _lay(canvas, shape)
                except Exception:
                    log.exception("a part could not be covered: the whole picture is")
                    _cover_all(canvas, picture, "privacy: covering failed")
        return picture

    def write(self, canvas: Canvas, picture: av.VideoFrame) -> list[Region]:
        """Write why the whole picture is covered, over what was drawn since; returns where. Nothing where only parts are."""
        return _write(canvas, picture, self.whole) if self.whole else []

    def and_also(self, other: Cover) -> Cover:
        """What covers all that this one or the other covers."""
        return Cover((*self.shapes, *other.shapes), self.whole or other.whole)


def grid_size(width: int, height: int) -> tuple[int, int]:
    """Columns and rows of squares of a picture of ``width`` x ``height`` pixels; the last ones may reach over its edge."""
    return -(-width // GRID_PX), -(-height // GRID_PX)


def cell_px(side_px: float) -> int:
    """The size of the cells for something that is ``side_px`` high."""
    return next((cell for cell in _CELLS if cell >= side_px / _CELLS_ACROSS), _CELLS[-1])


def object_shape(box_xyxy: Box, mask: Floats | None, margin_px: float, method: Method, width: int, height: int) -> Shape | None:
    """The shape of an object of a ``width`` x ``height`` picture, grown by ``margin_px``; None where it is not in the picture.

    ``box_xyxy`` is in pixels, ``mask`` float32 (M, M) relative to it, or None: then the box is covered, as it is where the mask
    does not reach over most of its box.
    """
    left, top, right, bottom = map(float, box_xyxy)
    reach = math.ceil(max(0.0, margin_px) / GRID_PX) + 1
    columns, rows = grid_size(width, height)
    x0, y0 = max(0, math.floor(left / GRID_PX) - reach), max(0, math.floor(top / GRID_PX) - reach)
    x1, y1 = min(columns, math.ceil(right / GRID_PX) + reach), min(rows, math.ceil(bottom / GRID_PX) + reach)
    if x0 >= x1 or y0 >= y1:
        return None
    cell = cell_px(max(right - left, bottom - top))
    shape = np.full((y1 - y0, x1 - x0), 255, np.uint8)
    if mask is not None and _spans(mask):
        across, down = mask.shape[1] / max(right - left, 1e-6), mask.shape[0] / max(bottom - top, 1e-6)
        # Squares beside the part in the picture are needed for growing it, so the array reaches ``reach`` further.
        to_cells = np.array(
            (
                (across * GRID_PX, 0.0, ((x0 - reach + 0.5) * GRID_PX - left) * across - 0.5),
                (0.0, down * GRID_PX, ((y0 - reach + 0.5) * GRID_PX - top) * down - 0.5),
            )
        )
        size = (x1 - x0 + 2 * reach, y1 - y0 + 2 * reach)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        # Where squares are larger than cells, a thin limb may lie between their centres: look at the most of each.
        spread = cv2.dilate(mask, np.ones((_odd(down * GRID_PX), _odd(across * GRID_PX)), np.uint8))
        inside = cv2.warpAffine(spread, to_cells, size, flags=flags) >= _INSIDE
        away = cv2.distanceTransform((~inside).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
        shape = (away[reach:-reach, reach:-reach] <= reach).astype(np.uint8) * np.uint8(255)
    return Shape(x0, y0, shape, method, cell)


def _odd(size: float) -> int:
    return 2 * min(16, math.ceil(max(0.0, size - 1) / 2)) + 1


def _spans(mask: Floats) -> bool:
    _, _, across, down = cv2.boundingRect((mask >= _INSIDE).view(np.uint8))
    return bool(across >= _SPANS * mask.shape[1] and down >= _SPANS * mask.shape[0])


def _lay(canvas: Canvas, shape: Shape) -> None:
    """Cover one shape on all planes."""
    rows, columns = shape.mask.shape
    x, y = shape.x * GRID_PX, shape.y * GRID_PX
    size = columns * GRID_PX // 2, rows * GRID_PX // 2
    half = cv2.resize(shape.mask, size, interpolation=cv2.INTER_LINEAR)
    cv2.threshold(half, 127, 255, cv2.THRESH_BINARY, dst=half)
    # The same edge for luma, in steps of two pixels. Doubling bytes so takes a quarter of what cv2.resize does.
    full = np.repeat((half.astype(np.uint16) * 0x0101).view(np.uint8), 2, axis=0)
    _lay_plane(canvas.luma, full, x, y, shape.method, shape.cell_px, _FILL)
    for chroma in (canvas.cb, canvas.cr):
        _lay_plane(chroma, np.asarray(half, np.uint8), x // 2, y // 2, shape.method, shape.cell_px // 2, _GRAY)


def _lay_plane(plane: Plane, mask: Plane, x0: int, y0: int, method: Method, cell: int, fill: int) -> None:
    """Cover ``plane`` where ``mask``, which begins at ``x0``, ``y0`` of it and may reach over its edges, is not 0."""
    height, width = plane.shape
    x1, y1 = min(x0 + mask.shape[1], width), min(y0 + mask.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    target, where = plane[y0:y1, x0:x1], mask[: y1 - y0, : x1 - x0]
    if method == "fill":
        cv2.copyTo(np.full(target.shape, fill, np.uint8), where, target)
        return
    # Whole cells at fixed places of the picture.
    left, top = x0 // cell * cell, y0 // cell * cell
    right, bottom = min(-(-x1 // cell) * cell, width), min(-(-y1 // cell) * cell, height)
    size = right - left, bottom - top
    count = -(-size[0] // cell), -(-size[1] // cell)
    every = max(2, cell // _ROWS)
    cells = cv2.resize(plane[top:bottom:every, left:right], count, interpolation=cv2.INTER_AREA)
    back = cv2.INTER_NEAREST if method == "pixelate" else cv2.INTER_LINEAR
    smooth = cv2.resize(cells, size, interpolation=back)
    cv2.copyTo(smooth[y0 - top : y1 - top, x0 - left : x1 - left], where, target)


def _cover_all(canvas: Canvas, picture: av.VideoFrame, why: str) -> None:
    """Fill the whole picture, and write on it why."""
    canvas.luma[:] = _FILL
    canvas.cb[:] = _GRAY
    canvas.cr[:] = _GRAY
    _write(canvas, picture, why)


def _write(canvas: Canvas, picture: av.VideoFrame, why: str) -> list[Region]:
    """Write in the middle of the picture why it is covered. Returns where; nothing where there is no room."""
    px = max(8, min(round(0.05 * canvas.height), round(1.6 * canvas.width / max(1, len(why)))))
    label = tag(why, px)
    spot = Region((canvas.width - label.width) // 2, (canvas.height - label.height) // 2, 0, 0)
    if spot.x0 < 0 or spot.y0 < 0:
        return []
    x, y = canvas.aligned(spot)[:2]
    yuv = yuv_of(picture)
    canvas.lay(painted((why, px, 1.0), yuv(BLACK), yuv(WHITE)), x, y)
    return [Region(x, y, x + label.width, y + label.height)]
