"""Boxes of NanoDet-Plus-m: a picture in, boxes, scores and classes out.

Contract of the network (RangiLyu/nanodet, NanoDet-Plus): the picture scaled to fit at the top left, the rest black, BGR,
normalised with ``MEAN`` and ``DEVIATION``. For each stride one map of 80 class logits and one of four times eight bins, whose
mean over their softmax, times the stride, is the distance from the cell's corner to a side of the box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detectors.litert import Network
from streamer.instances import MIN_SIDE_PX

Floats = NDArray[np.float32]

MEAN = np.array([103.53, 116.28, 123.675], np.float32)
"""Of blue, green and red, 0..255."""
DEVIATION = np.array([57.375, 57.12, 58.395], np.float32)
STRIDES = (8, 16, 32, 64)
CLASSES = 80
BINS = 8
IOU_THRESHOLD = 0.6
"""Of two boxes of one class that overlap by more, the less sure one goes."""
OTHER_CLASS_IOU_THRESHOLD = 0.8
"""The same across classes: only what is the same box."""
CANDIDATES = 1000
"""Boxes at most that enter the suppression: a threshold near 0 would let hundreds of thousands in."""

LEAST_HALVED_PX = 128
"""Shorter sides are not halved: it costs an odd size its last row or column."""

AVERAGED_FROM = 1.2
"""A picture that shrinks by so much without being halved is averaged, which takes 2 ms and more; all else is interpolated. What
was halved was averaged already. Below, *measured*, the two differ by half a gray level, as noise does."""

_NORMALISED = ((np.arange(256, dtype=np.float32)[:, None] - MEAN) / DEVIATION)[None]
"""float32 (1, 256, 3): what each value of blue, green and red becomes."""


class Boxes(NamedTuple):
    """N boxes, best score first."""

    xyxy: Floats
    """float32 (N, 4): left, top, right, bottom in pixels, within the picture."""
    scores: Floats
    """float32 (N,): 0..1."""
    classes: NDArray[np.intp]
    """(N,): 0..79 in COCO's order of its 80 classes."""


class BoxNetwork:
    """One NanoDet-Plus network of a fixed input size. Used by one thread at a time, which may change."""

    def __init__(self, content: bytes, threads: int, name: str) -> None:
        """``content`` is the LiteRT file, ``name`` its name for errors. Raises ``DetectorUnavailable``."""
        self._network = Network(content, threads, name)
        self.height, self.width = self._network.input_shape[1:3]
        """Size of the input in pixels."""
        maps = {(int(shape[1]), int(shape[3])): at for at, shape in enumerate(self._network.output_shapes)}
        rows = [math.ceil(self.height / stride) for stride in STRIDES]
        self._levels = [(stride, maps[row, CLASSES], maps[row, 4 * BINS]) for stride, row in zip(STRIDES, rows, strict=True)]
        self._small = np.zeros((self.height, self.width, 3), np.uint8)
        self._filled = (0, 0)

    def __call__(self, image: NDArray[np.uint8], score_threshold: float, limit: int) -> Boxes:
        """The boxes in an RGB picture, uint8 (height, width, 3), that score above the threshold; at most ``limit``."""
        scale = self.put(image)
        self.compute()
        return self.boxes(scale, (image.shape[1], image.shape[0]), score_threshold, limit)

    def put(self, image: NDArray[np.uint8]) -> tuple[float, float]:
        """Fill the input with the scaled picture; how many of its pixels are one of the picture's, in x and y."""
        height, width = image.shape[:2]
        scale = min(self.width / width, self.height / height)
        used = max(1, round(width * scale)), max(1, round(height * scale))
        if used != self._filled:
            self._small[:] = 0
            self._filled = used
        scaled, kept = _scaled(image, used)
        cv2.cvtColor(scaled, cv2.COLOR_RGB2BGR, dst=self._small[: used[1], : used[0]])
        # Straight into the network's own memory. No view of it may be left when it computes.
        cv2.LUT(self._small, _NORMALISED, dst=self._network.input_view())
        return used[0] / kept[0], used[1] / kept[1]

    def compute(self) -> None:
        """Run the network on what the input holds."""
        self._network.invoke()

    def boxes(self, scale: tuple[float, float], size: tuple[int, int], score_threshold: float, limit: int) -> Boxes:
        """What was computed, as boxes in a picture of ``size`` (width, height) that was put in with ``scale``."""
        found = self._decode(score_threshold)
        found = found._replace(xyxy=_in_picture(found.xyxy, scale, size))
        kept = suppress(found, limit)
        return Boxes(found.xyxy[kept], found.scores[kept], found.classes[kept])

    def _decode(self, score_threshold: float) -> Boxes:
        least = logit(score_threshold)
        found: list[tuple[Floats, Floats, NDArray[np.intp]]] = []
        for stride, classes_at, distances_at in self._levels:
            logits = self._network.output_view(classes_at)[0]
            at = np.flatnonzero(logits > least)
            if not len(at):
                continue
            rows, columns, classes = np.unravel_index(at, logits.shape)
            best = logits.reshape(-1)[at]
            bins = self._network.output_view(distances_at)[0][rows, columns].reshape(-1, 4, BINS)
            found.append((_distances(bins, stride, rows, columns), best, classes))
            del logits
        if not found:
            return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.intp))
        xyxy, logits_found, classes = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.argsort(-logits_found, kind="stable")[:CANDIDATES]
        scores = 1 / (1 + np.exp(-logits_found[order]))
        return Boxes(xyxy[order], scores.astype(np.float32), classes[order])


def _scaled(image: NDArray[np.uint8], size: tuple[int, int]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The picture in ``size`` (width, height), and how many of its columns and rows are in it: halving may leave some out."""
    halved, times = image, 1
    while halved.shape[1] >= 2 * size[0] and halved.shape[0] >= 2 * size[1] and min(halved.shape[:2]) >= LEAST_HALVED_PX:
        # Halving is OpenCV's one fast way of averaging: 0.5 ms instead of 16 for all at once from 1080p.
        rows, columns = halved.shape[0] // 2, halved.shape[1] // 2
        halved = _as_image(cv2.resize(halved[: 2 * rows, : 2 * columns], (columns, rows), interpolation=cv2.INTER_AREA))
        times *= 2
    average = halved is image and image.shape[1] >= AVERAGED_FROM * size[0]
    scaled = _as_image(cv2.resize(halved, size, interpolation=cv2.INTER_AREA if average else cv2.INTER_LINEAR))
    return scaled, (halved.shape[1] * times, halved.shape[0] * times)


def _as_image(array: object) -> NDArray[np.uint8]:
    return np.asarray(array, np.uint8)


def _distances(bins: Floats, stride: int, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
    """Boxes float32 (K, 4) in pixels of the network's input, from bins (K, 4, 8) and the cells that they are of."""
    odds = np.exp(bins - bins.max(axis=2, keepdims=True))
    # Not as a matrix product: NumPy's library for them keeps a second core busy with waiting.
    left, top, right, bottom = ((odds * np.arange(BINS, dtype=np.float32)).sum(axis=2) / odds.sum(axis=2) * stride).T
    x, y = columns * stride, rows * stride
    return np.stack([x - left, y - top, x + right, y + bottom], axis=1).astype(np.float32)


def _in_picture(xyxy: Floats, scale: tuple[float, float], size: tuple[int, int]) -> Floats:
    limits = np.array([*size, *size], np.float32)
    return np.clip(xyxy / np.array([*scale, *scale], np.float32), 0, limits)


def suppress(
    boxes: Boxes, limit: int, *, iou: float = IOU_THRESHOLD, other_class_iou: float | None = OTHER_CLASS_IOU_THRESHOLD
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression over boxes sorted by falling score: the rows to keep, at most ``limit``.

    Of two boxes of one class whose overlap is above ``iou``, or of two classes above ``other_class_iou`` (None: never), the
    less sure one goes.
    """
    other = np.inf if other_class_iou is None else other_class_iou
    # Coordinates in rows of their own: NumPy is slow along an axis of four.
    x0, y0, x1, y1 = np.ascontiguousarray(boxes.xyxy.T)
    areas = (x1 - x0) * (y1 - y0)
    # What is left of a box at the picture's edge may be too thin to mean anything; in doubles, as `Instances.usable` counts it.
    sides = boxes.xyxy[:, 2:].astype(np.float64) - boxes.xyxy[:, :2]
    left = np.flatnonzero((sides >= MIN_SIDE_PX).all(axis=1))
    kept: list[int] = []
    while len(left) and len(kept) < limit:
        best, rest = left[0], left[1:]
        kept.append(int(best))
        across = np.minimum(x1[best], x1[rest]) - np.maximum(x0[best], x0[rest])
        down = np.minimum(y1[best], y1[rest]) - np.maximum(y0[best], y0[rest])
        overlap = np.maximum(across, 0) * np.maximum(down, 0)
        most = np.where(boxes.classes[rest] == boxes.classes[best], iou, other)
        left = rest[overlap <= most * (areas[best] + areas[rest] - overlap)]
    return np.array(kept, np.intp)


def best_fit(sizes: Sequence[tuple[int, int]], width: int, height: int) -> tuple[int, int]:
    """The size (width, height) that shows a picture of ``width`` x ``height`` largest."""
    return max(sizes, key=lambda size: min(size[0] / width, size[1] / height))


def logit(probability: float) -> float:
    """The inverse of the sigmoid; infinite at 0 and 1."""
    if probability <= 0.0:
        return -math.inf
    return math.inf if probability >= 1.0 else math.log(probability / (1 - probability))
