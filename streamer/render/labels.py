"""Name tags: text on a rounded tag, rendered once and kept, and a free place for each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from streamer.frame import Plane
from streamer.render.canvas import Layer
from streamer.render.masks import Region
from streamer.render.palette import Yuv

_WEIGHT = 550
LOW_BOX_TAGS = 3
"""Boxes lower than so many tags have their tag outside if they can."""
HIDDEN = 3
"""A tag may hide one part in so many of another small object."""


class Tag(NamedTuple):
    """A rendered label; sizes are even, so that it holds whole chroma samples."""

    body: Plane
    """uint8 (h, w): strength of the tag's colour."""
    text: Plane
    """uint8 (h, w): strength of the text's colour on top."""

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.body.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.body.shape[0])


@lru_cache(maxsize=1)
def _font() -> cv2.FontFace:
    return cv2.FontFace("sans")  # a TrueType font inside OpenCV: the same on every machine


def load_letters() -> None:
    """Do what OpenCV does once in each thread that draws text, and takes 20 ms for: it unpacks its fonts."""
    cv2.getTextSize((0, 0), "A", (0, 0), _font(), 16, _WEIGHT)


@lru_cache(maxsize=64)
def _line(drawn_px: int) -> tuple[int, int]:
    """Where letters of that size begin above the line that they stand on, and how much they take from top to bottom."""
    _, top, _, height = cv2.getTextSize((0, 0), "Ág", (0, 0), _font(), drawn_px, _WEIGHT)
    return top, height


@lru_cache(maxsize=1024)
def tag(text: str, size_px: int, stretch: float = 1.0) -> Tag:
    """The tag of a text in letters of ``size_px`` (the font's nominal size) in height, ``stretch`` times as wide as usual."""
    font, drawn_px = _font(), round(size_px * max(1.0, stretch))  # drawn so large that both directions only shrink
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), font, drawn_px, _WEIGHT)
    top, line = _line(drawn_px)
    pad_x, pad_y = max(2, round(drawn_px * 0.36)), max(1, round(drawn_px * 0.16))
    w, h = _even(width + 2 * pad_x), _even(line + 2 * pad_y)
    letters = np.zeros((h, w), np.uint8)
    cv2.putText(letters, text, (pad_x, pad_y - top), (255,), font, drawn_px, _WEIGHT)
    if stretch != 1:
        w, h = _even(w * min(1.0, stretch)), _even(h * size_px / drawn_px)
        letters = np.asarray(cv2.resize(letters, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    return Tag(_rounded(w, h, size_px), letters)


@lru_cache(maxsize=512)
def painted(label: tuple[str, int, float], body: Yuv, letters: Yuv) -> Layer:
    """A tag (what :func:`tag` takes) in its colours, ready to lay over a picture."""
    shape = tag(*label)
    return Layer.of(_kept(shape.text), letters).over(_body(shape.width, shape.height, label[1], body))


@lru_cache(maxsize=256)
def _body(width: int, height: int, size_px: int, color: Yuv) -> Layer:
    """A tag without its text: scores change from frame to frame, and tags of one size have it in common."""
    return Layer.of(_kept(_rounded(width, height, size_px)), color)


def _kept(strength: Plane) -> Plane:
    return np.asarray(cv2.bitwise_not(strength), np.uint8)


def _even(size_px: float) -> int:
    return max(2, math.ceil(size_px / 2) * 2)


@lru_cache(maxsize=256)
def _rounded(width: int, height: int, size_px: int) -> Plane:
    """A filled rectangle, its corners as round as suits letters of ``size_px``: uint8 (height, width), with smooth edges."""
    radius = min(width / 2, height / 2, size_px * 0.32)
    x = np.maximum(np.abs(np.arange(width) + 0.5 - width / 2) - (width / 2 - radius), 0)
    y = np.maximum(np.abs(np.arange(height) + 0.5 - height / 2) - (height / 2 - radius), 0)
    outside = np.hypot(x[None], y[:, None]) - radius
    tag_shape: Plane = np.clip((0.5 - outside) * 255, 0, 255).astype(np.uint8)
    return tag_shape


def place(
    tag_size: tuple[int, int],
    box: Region,
    taken: Sequence[Region],
    width: int,
    height: int,
    small: Sequence[Region] = (),
) -> Region | None:
    """Where a tag (width, height in pixels) goes: near its box, inside the picture, clear of ``taken``; None where all is full.

    ``box`` is the object's box within the picture. Tried in turn: above the box, inside its top, below it, inside its
    bottom, and each of these moved to the right edge. A low box, which a tag inside would hide, has it above, below, right or
    left of it instead. No place hides much of another object of ``small`` ones. A tag of which nobody could read anything has
    none: it is higher than the picture, or more than twice as wide.
    """
    w, h = tag_size
    if h > height or w > 2 * width:
        return None
    # What no place can reach need not be compared with each of them: of a hundred objects that is nearly all.
    reach = Region(box.x0 - w, box.y0 - h, box.x1 + w, box.y1 + h)
    tags = [other for other in taken if _touch(reach, other)]
    objects = [other for other in small if _touch(reach, other) and other != box]
    for spot in _spots(w, h, box, width, height):
        if not any(_touch(spot, other) for other in tags) and not any(_hides(spot, other) for other in objects):
            return spot
    return None


def is_low(box: Region, tag_height: int) -> bool:
    """Whether a tag of that height inside the box would hide what is in it."""
    return box.y1 - box.y0 < LOW_BOX_TAGS * tag_height


def _touch(a: Region, b: Region) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _hides(spot: Region, small: Region) -> bool:
    """Whether a tag covers more of a small object than it may."""
    if not _touch(spot, small):
        return False
    across, down = min(spot[2], small[2]) - max(spot[0], small[0]), min(spot[3], small[3]) - max(spot[1], small[1])
    return HIDDEN * across * down > (small[2] - small[0]) * (small[3] - small[1])


def _spots(w: int, h: int, box: Region, width: int, height: int) -> Iterator[Region]:
    """The places for a tag of w x h pixels, best first."""
    low = is_low(box, h)
    columns = [max(0, min(x, width - w)) for x in (box.x0, box.x1 - w)]
    rows = (box.y0 - h, box.y1) if low else (box.y0 - h, box.y0, box.y1, box.y1 - h)
    none = True
    for y in rows:
        if 0 <= y <= height - h:
            none = False
            for x in columns:
                yield Region(x, y, x + w, y + h)
    if low:
        y = max(0, min((box.y0 + box.y1 - h) // 2, height - h))
        for x in (box.x1, box.x0 - w):
            if 0 <= x <= width - w:
                none = False
                yield Region(x, y, x + w, y + h)
    if none:
        x, y = columns[0], max(0, min(box.y0, height - h))
        yield Region(x, y, x + w, y + h)
