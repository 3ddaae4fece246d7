"""YOLOX as its exporter writes it: rows of box, objectness and class scores, boxes as offsets from their places or final."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamer.detectors.exported.description import Description
from streamer.detectors.exported.found import Arrays, Floats, Found, best_first, corners, kept_boxes, unbatched
from streamer.detectors.exported.picture_input import Fit, Preparation
from streamer.detectors.exported.recognition import Miss, Place, cells, sizes
from streamer.detectors.nanodet_boxes import Boxes

STRIDES = (8, 16, 32)
WITH_64 = (8, 16, 32, 64)
"""Those of networks with a fourth level."""
IOU = 0.45
"""Overlap above which the less sure box goes, of whatever class: as YOLOX's own demonstration does."""
_OFFSETS = 0.25
"""Fraction of the input's width: centres that are offsets lie within a few cells, final ones all over the input."""
CORNER = Preparation("corner", deviation=(1.0, 1.0, 1.0), bgr=True, padding=114)


@dataclass(frozen=True, slots=True)
class Yolox:
    """One file of this family."""

    at: int
    """Which output holds the rows."""
    classes: int | None
    preparation: Preparation = CORNER
    family: str = "YOLOX"
    has_masks: bool = False

    def read(self, outputs: Arrays, fit: Fit, least_score: float) -> Found:
        """See :class:`Reader`."""
        rows = unbatched(outputs[self.at])
        scores = (rows[:, 4] * rows[:, 5:].max(axis=1)).astype(np.float32)
        at = np.flatnonzero((scores >= least_score) & (scores > 0))
        at = at[best_first(scores[at])]
        picked = rows[at].astype(np.float32)
        raw = picked[:, :4]
        if float(np.median(np.abs(rows[:, :2]))) < _OFFSETS * min(fit.input_size) / 4:
            levels = (_places(fit.input_size, strides) for strides in (STRIDES, WITH_64))
            if (places := next((each for each in levels if len(each) == len(rows)), None)) is not None:
                raw = _decoded(raw, places[at])
        boxes = Boxes(corners(raw), scores[at], picked[:, 5:].argmax(axis=1))
        kept = kept_boxes(boxes, IOU, across_classes=True)
        return Found(fit.to_picture(boxes.xyxy[kept]), boxes.scores[kept], boxes.classes[kept])


def _decoded(raw: Floats, places: Floats) -> Floats:
    stride = places[:, 2:]
    with np.errstate(over="ignore"):
        return np.concatenate([(raw[:, :2] + places[:, :2]) * stride, np.exp(raw[:, 2:]) * stride], axis=1)


def _places(size: tuple[int, int], strides: Sequence[int]) -> Floats:
    """Column, row and stride (N, 3) of each place, finest level first."""
    levels = []
    for stride in strides:
        rows, columns = np.mgrid[0 : size[1] // stride, 0 : size[0] // stride]
        levels.append(np.stack([columns.ravel(), rows.ravel(), np.full(columns.size, stride)], axis=1))
    return np.concatenate(levels).astype(np.float32)


_COCO_ROW = 85


def is_one(place: Place, columns: int) -> bool:
    """Whether four levels of rows are YOLOX's and not NanoDet-Plus': by the input's name, or as of COCO's classes."""
    return place.tensor.name == "images" or columns == _COCO_ROW


def match(description: Description, place: Place) -> Yolox | Miss:
    """This family's reader for the file, or what is missing."""
    found = sizes(description)
    places = cells(place.size, STRIDES)
    numbers = (places, cells(place.size, WITH_64))
    shapes = [shape for shape in found.values() if len(shape) == 2]
    if len(found) == 1 and shapes and places is not None and shapes[0][0] in numbers and shapes[0][1] > 5:
        return Yolox(next(iter(found)), shapes[0][1] - 5)
    return Miss("YOLOX", len(found) == 1, f"it has one output [1, {places or 'places'}, 5 + classes]")
