"""Words on pictures: figures and keys in a window, and the picture that stands in while no frame comes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from streamer.frame import Plane, plane_views
from streamer.sinks.live_encoder import blank

_DIM = 0.4
_BACKGROUND = 0.35


@lru_cache(maxsize=64)
def text_coverage(text: str, size_px: int) -> Plane:
    """``text`` as uint8 (height, width), 255 where a pixel is wholly covered; letters ``size_px`` high; read only."""
    if hasattr(cv2, "FontFace"):  # OpenCV 5: real type, with letters beyond ASCII
        font = cv2.FontFace("sans")
        width = cv2.getTextSize((0, 0), text, (0, 0), font, size_px, 400)[2]
        canvas = np.zeros((round(1.5 * size_px), width + size_px), np.uint8)
        cv2.putText(canvas, text, (size_px // 4, round(1.1 * size_px)), (255,), font, size_px, 400)
    else:
        scale, thickness = size_px / 30.0, max(1, round(size_px / 16))
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        canvas = np.zeros((round(1.5 * size_px), width + size_px), np.uint8)
        place = (size_px // 4, round(1.1 * size_px))
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255,), thickness, cv2.LINE_AA)
    columns = np.flatnonzero(canvas.any(axis=0))
    return canvas[:, : columns[-1] + size_px // 4 + 1] if columns.size else canvas[:, :1]


def text_block(lines: Sequence[str], size_px: int) -> Plane:
    """Several lines, one below the other, as :func:`text_coverage`, with a margin all around."""
    rows = [text_coverage(line, size_px) for line in lines]
    margin = size_px // 3
    width = max((row.shape[1] for row in rows), default=0) + 2 * margin
    block = np.zeros((sum(row.shape[0] for row in rows) + 2 * margin, width), np.uint8)
    top = margin
    for row in rows:
        block[top : top + row.shape[0], margin : margin + row.shape[1]] = row
        top += row.shape[0]
    return block


def draw_block(bgr: Plane, lines: Sequence[str], *, corner: str = "top-left") -> None:
    """Write ``lines`` in white on a darkened ground into ``bgr`` (height, width, 3); also ``bottom-left`` or ``centre``."""
    height, width = bgr.shape[:2]
    block = text_block(lines, _size_px(height))[:height, :width]
    inset = min(8, height - block.shape[0], width - block.shape[1])
    top, left = {
        "top-left": (inset, inset),
        "bottom-left": (height - block.shape[0] - inset, inset),
        "centre": ((height - block.shape[0]) // 2, (width - block.shape[1]) // 2),
    }[corner]
    part = bgr[top : top + block.shape[0], left : left + block.shape[1]]
    cover = block[..., None].astype(np.float32) / 255.0
    part[:] = np.rint(part * _BACKGROUND * (1.0 - cover) + 255.0 * cover)


def status_picture(last: av.VideoFrame | None, width: int, height: int, text: str) -> av.VideoFrame:
    """A new ``yuv420p`` picture: ``last`` (upright, ``yuv420p``) dimmed, or a blank one, with ``text`` in its middle.

    ``width`` and ``height`` in pixels are those of the blank one.
    """
    made = blank(width, height) if last is None else _dimmed(last)
    full_range = made.color_range == ColorRange.JPEG
    luma, *chroma = plane_views(made)
    # A picture is narrow at times: the words have to fit.
    size_px = _size_px(made.height)
    block = text_block([text], size_px)
    if block.shape[1] > made.width:
        block = text_block([text], max(6, size_px * made.width // block.shape[1]))[: made.height, : made.width]
    top, left = (made.height - block.shape[0]) // 2, (made.width - block.shape[1]) // 2
    black, white = (0.0, 255.0) if full_range else (16.0, 235.0)
    part = luma[top : top + block.shape[0], left : left + block.shape[1]]
    cover = block.astype(np.float32) / 255.0
    ground = black + (part - black) * _BACKGROUND
    part[:] = np.rint(ground * (1.0 - cover) + white * cover)
    for plane in chroma:
        under = plane[top // 2 : (top + block.shape[0] + 1) // 2, left // 2 : (left + block.shape[1] + 1) // 2]
        under[:] = 128
    return made


def _dimmed(picture: av.VideoFrame) -> av.VideoFrame:
    made = av.VideoFrame(picture.width, picture.height, "yuv420p")
    black = 0 if picture.color_range == ColorRange.JPEG or picture.format.name == "yuvj420p" else 16
    for source, target, centre in zip(plane_views(picture), plane_views(made), (black, 128, 128), strict=True):
        cv2.LUT(source, _dimming(centre), dst=target)
    made.color_range = ColorRange.JPEG if black == 0 else picture.color_range
    made.colorspace = picture.colorspace
    return made


@lru_cache(maxsize=4)
def _dimming(centre: int) -> NDArray[np.uint8]:
    table: NDArray[np.uint8] = np.clip(np.rint(centre + (np.arange(256) - centre) * _DIM), 0, 255).astype(np.uint8)
    return table


def _size_px(height: int) -> int:
    """Height of letters on a picture ``height`` pixels high."""
    return max(12, min(32, round(height / 26)))
