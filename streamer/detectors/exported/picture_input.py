"""A picture as a network's input: scaled, padded, in the network's colour order and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detectors.exported.antialiased import Antialiased

Floats = NDArray[np.float32]
Resize = Literal["letterbox", "corner", "stretch", "none"]
"""``letterbox``: fitted into the input, in its middle; ``corner``: the same at the top left; ``stretch``: over all of it;
``none``: the picture's own size."""

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""Of red, green and blue, 0..255."""
IMAGENET_DEVIATION = (58.395, 57.12, 57.375)
LARGEST_SIDE_PX = 8192


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a family of networks wants its pictures."""

    resize: Resize
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of red, green and blue, 0..255: what is taken from each value."""
    deviation: tuple[float, float, float] = (255.0, 255.0, 255.0)
    """Of red, green and blue: what the rest is divided by."""
    bgr: bool = False
    padding: int = 0
    """Gray level, 0..255, beside the picture."""
    averaged: bool = False
    """Whether shrinking averages; else it interpolates between four pixels."""
    antialiased: bool = False
    """Whether pictures are scaled as Pillow and torchvision do: what a framework finds may hang on it."""
    edges: tuple[int, int, int] | None = None
    """Pixels of the shorter side of a stretched picture, of the longer one at most, and what sides are a multiple of, where the
    input takes any size: proportions are kept then."""
    in_floats: bool = False
    """Whether a stretched picture is scaled as floats, as frameworks do that scale tensors: rounding to levels would change
    scores in the third decimal."""


class Fit(NamedTuple):
    """Where a picture lies in a network's input, in pixels."""

    input_size: tuple[int, int]
    """Width and height of the input."""
    used: tuple[int, int]
    """Width and height of the picture in it."""
    left: int
    top: int
    picture: tuple[int, int]
    """Width and height of the picture itself."""

    def to_picture(self, boxes_xyxy: Floats) -> Floats:
        """Boxes (N, 4) in pixels of the input as boxes in pixels of the picture, cut at its edges."""
        gain = np.array([self.used[0] / self.picture[0], self.used[1] / self.picture[1]] * 2, np.float32)
        shift = np.array([self.left, self.top] * 2, np.float32)
        return np.asarray(np.clip((boxes_xyxy - shift) / gain, 0.0, np.array(self.picture * 2, np.float32)), np.float32)

    def from_picture(self, boxes_xyxy: Floats) -> NDArray[np.float64]:
        """Boxes (N, 4) in pixels of the picture as boxes in pixels of the input."""
        gain = np.array([self.used[0] / self.picture[0], self.used[1] / self.picture[1]] * 2)
        return np.asarray(boxes_xyxy.astype(np.float64) * gain + np.array([self.left, self.top] * 2, np.float64))


class PictureInput:
    """Fills one input of a network, in memory of its own that is used again for each picture. Of one thread at a time."""

    def __init__(
        self,
        preparation: Preparation,
        *,
        size: tuple[int, int] | None,
        largest: tuple[int, int],
        stride: int,
        channels_last: bool,
        batch: bool,
        dtype: np.dtype[Any],
        quantization: tuple[float, int] | None = None,
    ) -> None:
        """``size`` is the input's width and height, or None where it takes any; then pictures are fitted into ``largest``, in
        multiples of ``stride``. ``batch`` says that the input has a leading 1. ``quantization`` is scale and zero point of
        an input of whole numbers that stand for what the preparation makes; without it they are the levels 0..255.
        """
        self._preparation = preparation
        self._size = size
        self._largest = largest
        self._stride = stride
        self._channels_last = channels_last
        self._batch = batch
        self._tables = _tables(preparation, dtype, quantization)
        self._dtype = dtype
        self._fit: Fit | None = None
        self._antialiased: Antialiased | None = None
        self._canvas = np.zeros((0, 0, 3), np.uint8)
        self._plane = np.zeros((0, 0), np.uint8)
        self._filled = np.zeros(0, dtype)
        self._in_floats = preparation.in_floats and preparation.resize == "stretch" and dtype.kind == "f"
        self._whole = np.zeros((0, 0, 3), np.float32)
        self._scaled = np.zeros((0, 0, 3), np.float32)

    def fit(self, width: int, height: int) -> Fit:
        """Where a picture of ``width`` x ``height`` pixels would lie."""
        resize = self._preparation.resize
        if resize == "none" and self._size is None:
            return Fit((width, height), (width, height), 0, 0, (width, height))
        target = self._size or self._largest
        if resize == "stretch" and self._size is None and self._preparation.edges is not None:
            target = _with_edges(width, height, self._preparation.edges)
        if resize == "stretch":
            return Fit(target, target, 0, 0, (width, height))
        gain = min(target[0] / width, target[1] / height)
        # Those that fit pictures into the corner cut sides to whole pixels; the others round them.
        whole = int if resize == "corner" else round
        used = max(1, whole(width * gain)), max(1, whole(height * gain))
        if self._size is None:
            spare = [(side - part) % self._stride for side, part in zip(target, used, strict=True)]
            target = used[0] + spare[0], used[1] + spare[1]
        if resize != "letterbox":
            return Fit(target, used, 0, 0, (width, height))
        left, top = (round((side - part) / 2 - 0.1) for side, part in zip(target, used, strict=True))
        return Fit(target, used, left, top, (width, height))

    def put(self, image: NDArray[np.uint8]) -> tuple[NDArray[Any], Fit]:
        """The input of an RGB picture, uint8 (height, width, 3), and where the picture lies in it.

        The array is this object's own: the next call writes to it.
        """
        height, width = image.shape[:2]
        fit = self._fit
        if fit is None or fit.picture != (width, height):
            fit = self._fit = self.fit(width, height)
            self._make_room(fit)
        if self._in_floats:
            np.copyto(self._whole, image)
            cv2.resize(self._whole, fit.used, dst=self._scaled, interpolation=cv2.INTER_LINEAR)
            self._normalise()
            return self._filled, fit
        inside = self._canvas[fit.top : fit.top + fit.used[1], fit.left : fit.left + fit.used[0]]
        if fit.used == (width, height):
            inside[:] = image
        elif self._antialiased is not None:
            self._antialiased(image, inside)
        else:
            shrinks = fit.used[0] < width or fit.used[1] < height
            way = cv2.INTER_AREA if self._preparation.averaged and shrinks else cv2.INTER_LINEAR
            cv2.resize(image, fit.used, dst=inside, interpolation=way)
        self._convert()
        return self._filled, fit

    def _make_room(self, fit: Fit) -> None:
        width, height = fit.input_size
        self._canvas = np.full((height, width, 3), self._preparation.padding, np.uint8)
        self._plane = np.zeros((height, width), np.uint8)
        shape = (height, width, 3) if self._channels_last else (3, height, width)
        self._filled = np.zeros((1, *shape) if self._batch else shape, self._dtype)
        if self._preparation.antialiased:
            self._antialiased = Antialiased(fit.picture, fit.used)
        if self._in_floats:
            self._whole = np.zeros((fit.picture[1], fit.picture[0], 3), np.float32)
            self._scaled = np.zeros((height, width, 3), np.float32)

    def _normalise(self) -> None:
        filled = self._filled[0] if self._batch else self._filled
        for channel in range(3):
            source = 2 - channel if self._preparation.bgr else channel
            target = filled[:, :, channel] if self._channels_last else filled[channel]
            mean, deviation = self._preparation.mean[source], self._preparation.deviation[source]
            target[:] = (self._scaled[:, :, source] - np.float32(mean)) / np.float32(deviation)

    def _convert(self) -> None:
        # Half floats are moved as whole numbers of the same bits: OpenCV's tables know no half floats everywhere.
        filled = self._filled[0] if self._batch else self._filled
        target = filled.view(np.int16) if filled.dtype == np.float16 else filled
        if self._channels_last:
            source = cv2.cvtColor(self._canvas, cv2.COLOR_RGB2BGR) if self._preparation.bgr else self._canvas
            cv2.LUT(source, self._tables.T.reshape(1, 256, 3).copy(), dst=target)
            return
        for channel in range(3):
            cv2.extractChannel(self._canvas, 2 - channel if self._preparation.bgr else channel, dst=self._plane)
            cv2.LUT(self._plane, self._tables[channel], dst=target[channel])


def _with_edges(width: int, height: int, edges: tuple[int, int, int]) -> tuple[int, int]:
    """Width and height with the shorter side as long as wanted, unless the longer one would be too long."""
    short, long = min(width, height), max(width, height)
    wanted, most, multiple = edges
    scaled = min(float(wanted), most * short / long)
    lesser, greater = (max(multiple, side - side % multiple) for side in (round(scaled), int(scaled * long / short)))
    return (lesser, greater) if width <= height else (greater, lesser)


def _tables(preparation: Preparation, dtype: np.dtype[Any], quantization: tuple[float, int] | None) -> NDArray[Any]:
    """What each level of each channel becomes, (3, 256), channels in the network's order."""
    levels = np.arange(256, dtype=np.float64)
    made = np.stack([(levels - mean) / by for mean, by in zip(preparation.mean, preparation.deviation, strict=True)])
    if preparation.bgr:
        made = made[::-1]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        scale, zero = quantization or (1.0, 0)
        # Levels are given as they are to networks that take levels, whatever their numbers stand for.
        as_levels = quantization is None or preparation.deviation == (1.0, 1.0, 1.0)
        values = np.stack([levels] * 3) if as_levels else made / scale + zero
        return np.ascontiguousarray(np.clip(np.rint(values), limits.min, limits.max).astype(dtype))
    table = np.ascontiguousarray(made.astype(dtype))
    return table.view(np.int16) if dtype == np.float16 else table
