"""What DeepLab v3 sees in a box: for each of twenty classes, how likely each of its points belongs to one.

The network (DeepLab v3 on MobileNet v2 at half depth, PASCAL VOC) wants a square around the box with a good part of its
surroundings: cut to the box itself it finds little. It is cut behind its logits, which are enlarged before the softmax: the
other way round outlines get stairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.crops import Square
from streamer.detectors.litert import Network
from streamer.detectors.outline_edges import refine

Floats = NDArray[np.float32]

CLASSES = [
    "background",
    "airplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining table",
    "dog",
    "horse",
    "motorcycle",
    "person",
    "potted plant",
    "sheep",
    "couch",
    "train",
    "tv",
]
"""PASCAL VOC's classes in the network's order, by COCO's names."""

MARGIN = 0.3
"""How far the square reaches beyond the box's longer side, on each side, in box sizes. Where it would reach beyond the picture,
it shows more of the picture on the other side instead: gray surroundings make the network blind. *Measured* on six
animals and vehicles, each cut off by 60 windows, IoU with its outline in the whole picture: 0.53 with gray and 0.69 within the
picture for windows of half to all of the object's size, 0.73 and 0.82 of 0.8 to 1.4 times, 0.83 and 0.84 of 1.3 to 2."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is in a box."""

    classes: Floats
    """float32 (cells, cells, 21): the probability of each class at each cell."""
    luma: Floats
    """float32 (cells, cells): the picture there, 0..1."""

    def outline(self, name: str) -> Floats:
        """The mask of an object of that class, one of ``MEMBERS``: float32 (cells, cells), 0..1."""
        return refine(np.asarray(self.classes[..., MEMBERS[name]].sum(axis=-1), np.float32), self.luma)


class DeepLab:
    """One network. Used by one thread at a time, which may change."""

    def __init__(self, content: bytes, name: str) -> None:
        """``content`` is the LiteRT file, ``name`` its name for errors. Raises ``DetectorUnavailable``."""
        self._network = Network(content, 1, name)
        self.size_px = self._network.input_shape[1]
        """Width and height of the input in pixels."""

    def __call__(self, image: NDArray[np.uint8], box_xyxy: NDArray[np.float32], cells: int) -> Seen:
        """What is at the middles of ``cells`` x ``cells`` cells that divide the box.

        ``image`` is RGB, uint8 (height, width, 3); the box, float32 (4,), is in its pixels.
        """
        square = Square.around(box_xyxy, MARGIN).within(image.shape[1], image.shape[0])
        luma = square.luma(square.pixels(image, self.size_px, into=self._network.input_view()), box_xyxy, cells)
        self._network.invoke()
        step, zero = self._network.output_quantization
        logits = (self._network.output_view(0)[0].astype(np.float32) - zero) * np.float32(step)
        left, top, right, bottom = (float(side) for side in box_xyxy)
        side = square.side_px
        rows = _between(logits, (top - square.top) / side, (bottom - square.top) / side, cells)
        read = _between(rows.swapaxes(0, 1), (left - square.left) / side, (right - square.left) / side, cells)
        return Seen(softmax(read.swapaxes(0, 1)), luma)

    def warm_up(self) -> None:
        """Compute once, on whatever the input holds."""
        self._network.invoke()


def _between(values: Floats, start: float, end: float, cells: int) -> Floats:
    """``values`` (n, …), which lie evenly from 0 to 1, read linearly at the middles of ``cells`` cells of ``start`` to ``end``.

    The network's cells lie on its corners: the first at 0, the last at 1. Without matrix products: NumPy's library for them
    keeps a second core busy with waiting.
    """
    last = len(values) - 1
    at = np.clip((start + (np.arange(cells, dtype=np.float32) + 0.5) / cells * (end - start)) * last, 0, last)
    low = np.minimum(at.astype(np.intp), last - 1)
    share = (at - low).astype(np.float32).reshape(-1, *(1,) * (values.ndim - 1))
    return np.asarray(values[low] * (1 - share) + values[low + 1] * share, np.float32)


def softmax(logits: Floats) -> Floats:
    """Over the last axis."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True), np.float32)


_GROUPS = (
    ("bicycle", "motorcycle"),
    ("car", "bus", "train", "truck"),
    ("cat", "dog"),
    ("cow", "horse", "sheep"),
    ("chair", "couch"),
)
"""Classes that people and networks mix up: an object of one is outlined by what is seen of any."""


def kind(name: str) -> tuple[str, ...]:
    """The classes that are mixed up with this one, itself included."""
    return next((group for group in _GROUPS if name in group), (name,))


MEMBERS: Mapping[str, list[int]] = {
    name: [CLASSES.index(member) for member in kind(name) if member in CLASSES] for name in (*CLASSES[1:], "truck")
}
"""Columns of the output that count for an object, by COCO's class names; other classes have no outline."""
