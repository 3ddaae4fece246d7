"""Name tags: text on a rounded tag, rendered once and kept, and a free place for each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from streamer.frame import Plane
from streamer.render.canvas import Layer
from streamer.render.masks import Region
from streamer.render.palette import Yuv

_WEIGHT = 550


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


@lru_cache(maxsize=1024)
def tag(text: str, size_px: int) -> Tag:
    """The tag of a text in letters of ``size_px`` (the font's nominal size)."""
    font = _font()
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), font, size_px, _WEIGHT)
    _, top, _, line = cv2.getTextSize((0, 0), "Ág", (0, 0), font, size_px, _WEIGHT)
    pad_x, pad_y = max(2, round(size_px * 0.36)), max(1, round(size_px * 0.16))
    w, h = (width + 2 * pad_x + 1) // 2 * 2, (line + 2 * pad_y + 1) // 2 * 2
    letters = np.zeros((h, w), np.uint8)
    cv2.putText(letters, text, (pad_x, pad_y - top), (255,), font, size_px, _WEIGHT)
    return Tag(_rounded(w, h, min(h / 2, size_px * 0.32)), letters)


@lru_cache(maxsize=512)
def painted(text: str, size_px: int, body: Yuv, letters: Yuv) -> Layer:
    """A tag in its colours, ready to lay over a picture."""
    label = tag(text, size_px)
    under, over = Layer.of(label.body, body), Layer.of(label.text, letters)
    paints = (
        np.asarray(cv2.add(cv2.multiply(below, kept, scale=1 / 255), above), np.uint8)
        for below, kept, above in zip(under[2:], (over.kept, over.kept_chroma, over.kept_chroma), over[2:], strict=True)
    )
    return Layer(under.kept, under.kept_chroma, *paints)


def _rounded(width: int, height: int, radius: float) -> Plane:
    """A filled rectangle with round corners: uint8 (height, width), anti-aliased by distance."""
    x = np.maximum(np.abs(np.arange(width) + 0.5 - width / 2) - (width / 2 - radius), 0)
    y = np.maximum(np.abs(np.arange(height) + 0.5 - height / 2) - (height / 2 - radius), 0)
    outside = np.hypot(x[None], y[:, None]) - radius
    tag_shape: Plane = np.clip((0.5 - outside) * 255, 0, 255).astype(np.uint8)
    return tag_shape


def place(tag_size: tuple[int, int], box: Region, taken: Sequence[Region], width: int, height: int) -> Region:
    """Where a tag (width, height in pixels) goes: near the top of its box, inside the picture, clear of ``taken`` if it can be.

    ``box`` is the object's box within the picture. Tried in turn: above the box, inside its top, below it, inside its
    bottom, and each of these moved to the right edge; if all overlap, the place that overlaps least.
    """
    w, h = tag_size
    spots: list[Region] = []
    for y in (box.y0 - h, box.y0, box.y1, box.y1 - h):
        if 0 <= y <= height - h:
            for x in (box.x0, box.x1 - w):
                left = max(0, min(x, width - w))
                spots.append(Region(left, y, left + w, y + h))
    if not spots:
        left, top = max(0, min(box.x0, width - w)), max(0, min(box.y0, height - h))
        spots.append(Region(left, top, left + w, top + h))
    if not taken:
        return spots[0]
    ours, theirs = np.array(spots)[:, None], np.array(taken)[None]
    shared = np.minimum(ours[..., 2:], theirs[..., 2:]) - np.maximum(ours[..., :2], theirs[..., :2])
    np.maximum(shared, 0, out=shared)
    return spots[int(np.argmin((shared[..., 0] * shared[..., 1]).sum(axis=1)))]  # the first of the least covered
