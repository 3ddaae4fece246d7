"""Writable copies of decoded pictures, and their planes turned upright."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache

import av
import av.filter
import numpy as np

from streamer.frame import UPRIGHT, Frame, Orientation, plane_views
from streamer.render.canvas import Canvas

FORMATS = ("yuv420p", "yuvj420p")
"""Pixel formats that can be drawn on."""

_copiers = threading.local()


def writable(frame: Frame) -> av.VideoFrame:
    """A copy of a frame's picture, as stored, that may be written to. Raises ``ValueError`` for other ``FORMATS``."""
    picture = frame.picture
    if picture.format.name not in FORMATS:
        raise ValueError(f"picture: expected format {' or '.join(FORMATS)}, got {picture.format.name}")
    copier: _Copier | None = getattr(_copiers, "own", None)
    if copier is None or not copier.fits(picture):
        copier = _copiers.own = _Copier(picture)
    copied = copier.copy(picture)
    copied.pts, copied.time_base = frame.pts, frame.time_base
    return copied


@contextmanager
def upright_canvas(picture: av.VideoFrame, turn: Orientation) -> Iterator[Canvas]:
    """The planes of a writable picture, turned upright to draw on; what was drawn is in the picture afterwards."""
    stored = plane_views(picture)
    upright = stored if turn == UPRIGHT else tuple(turn.upright(plane) for plane in stored)
    width, height = (picture.height, picture.width) if turn.sideways else (picture.width, picture.height)
    luma, cb, cr = upright
    yield Canvas(luma, cb, cr, *_chroma_shift(turn, width, height))
    if upright is not stored:
        for target, plane in zip(stored, upright, strict=True):
            np.copyto(target, turn.stored(plane))


class _Copier:
    """Makes writable copies of pictures of one size and format, with all that FFmpeg keeps beside the samples.

    An empty filter graph hands back another reference to the same samples, with side data (captions, HDR) and flags; only
    then does ``make_writable`` copy: of a frame with a single reference it makes no copy at all.
    """

    def __init__(self, picture: av.VideoFrame) -> None:
        self._key = (picture.width, picture.height, picture.format.name)
        self._graph = av.filter.Graph()
        width, height, name = self._key
        source = self._graph.add_buffer(
            width=width, height=height, format=av.VideoFormat(name), time_base=Fraction(1, 1000), name="in"
        )
        source.link_to(self._graph.add("buffersink"))
        self._graph.configure()

    def fits(self, picture: av.VideoFrame) -> bool:
        return self._key == (picture.width, picture.height, picture.format.name)

    def copy(self, picture: av.VideoFrame) -> av.VideoFrame:
        self._graph.push(picture)
        copied = self._graph.pull()
        if not isinstance(copied, av.VideoFrame):
            raise TypeError(f"filter graph: expected a VideoFrame, got {type(copied).__name__}")
        copied.make_writable()
        return copied


@lru_cache(maxsize=64)
def _chroma_shift(turn: Orientation, width: int, height: int) -> tuple[int, int]:
    """How far, 0 or 1 pixels, the chroma grid of the upright width x height picture is shifted (see ``Canvas``)."""
    corner = np.zeros((height % 2 + 2, width % 2 + 2), np.uint8)
    corner[0, 0] = 1
    row, column = np.argwhere(turn.stored(corner))[0]
    stored_height, stored_width = turn.stored(corner).shape
    flipped_x, flipped_y = column != 0, row != 0
    shift_x, shift_y = stored_width % 2 * int(flipped_x), stored_height % 2 * int(flipped_y)
    return (shift_y, shift_x) if turn.sideways else (shift_x, shift_y)
