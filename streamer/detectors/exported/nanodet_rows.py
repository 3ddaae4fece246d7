"""NanoDet and NanoDet-Plus as their exporter writes them: one output with rows of class scores and bins of distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamer.detectors.exported import yolox
from streamer.detectors.exported.description import Description
from streamer.detectors.exported.found import Arrays, Floats, Found, best_first, kept_boxes, unbatched
from streamer.detectors.exported.picture_input import Fit, Preparation
from streamer.detectors.exported.recognition import Miss, Place, cells, sizes
from streamer.detectors.nanodet_boxes import BINS, DEVIATION, IOU_THRESHOLD, MEAN, Boxes

STRIDES = (8, 16, 32)
PLUS_STRIDES = (8, 16, 32, 64)

_MEAN: tuple[float, float, float] = (float(MEAN[2]), float(MEAN[1]), float(MEAN[0]))
_DEVIATION: tuple[float, float, float] = (float(DEVIATION[2]), float(DEVIATION[1]), float(DEVIATION[0]))
STRETCHED = Preparation("stretch", mean=_MEAN, deviation=_DEVIATION, bgr=True)


@dataclass(frozen=True, slots=True)
class NanoDetRows:
    """One file of this family."""

    at: int
    """Which output holds the rows."""
    classes: int
    plus: bool
    """NanoDet-Plus: four levels, and distances from a cell's corner instead of its centre."""
    preparation: Preparation = STRETCHED
    has_masks: bool = False

    @property
    def family(self) -> str:
        return "NanoDet-Plus" if self.plus else "NanoDet"

    def read(self, outputs: Arrays, fit: Fit, least_score: float) -> Found:
        """See :class:`Reader`."""
        rows = unbatched(outputs[self.at])
        scores = rows[:, : self.classes].max(axis=1).astype(np.float32)
        at = np.flatnonzero((scores >= least_score) & (scores > 0))
        at = at[best_first(scores[at])]
        picked = rows[at].astype(np.float32)
        boxes = Boxes(self._boxes(picked, at, fit.input_size), scores[at], picked[:, : self.classes].argmax(axis=1))
        kept = kept_boxes(boxes, IOU_THRESHOLD)
        return Found(fit.to_picture(boxes.xyxy[kept]), boxes.scores[kept], boxes.classes[kept])

    def _boxes(self, picked: Floats, at: np.ndarray[tuple[int], np.dtype[np.intp]], size: tuple[int, int]) -> Floats:
        levels = []
        for stride in PLUS_STRIDES if self.plus else STRIDES:
            rows, columns = np.mgrid[0 : -(-size[1] // stride), 0 : -(-size[0] // stride)]
            levels.append(np.stack([columns.ravel(), rows.ravel(), np.full(columns.size, stride)], axis=1))
        places = np.concatenate(levels).astype(np.float32)[at]
        strides = places[:, 2]
        bins = picked[:, self.classes :].reshape(-1, 4, BINS)
        odds = np.exp(bins - bins.max(axis=2, keepdims=True))
        steps = np.arange(BINS, dtype=np.float32)
        left, top, right, bottom = ((odds * steps).sum(axis=2) / odds.sum(axis=2) * strides[:, None]).T
        x, y = ((places[:, axis] + (0.0 if self.plus else 0.5)) * strides for axis in (0, 1))
        return np.stack([x - left, y - top, x + right, y + bottom], axis=1).astype(np.float32)


_COCO_ROW = 80 + 4 * BINS


def match(description: Description, place: Place) -> NanoDetRows | Miss:
    """This family's reader for the file, or what is missing."""
    found = sizes(description)
    plus, plain = cells(place.size, PLUS_STRIDES), cells(place.size, STRIDES)
    shapes = [shape for shape in found.values() if len(shape) == 2]
    if len(found) == 1 and shapes and plain is not None:
        rows, columns = shapes[0]
        classes = columns - 4 * BINS
        # The older one has as many rows as YOLOX: only the numbers of COCO's classes tell it apart.
        of_plus = rows == plus and not yolox.is_one(place, columns)
        if classes > 0 and (of_plus or (rows == plain and columns == _COCO_ROW)):
            return NanoDetRows(next(iter(found)), classes, plus=of_plus)
    return Miss("NanoDet", len(found) == 1, f"it has one output [1, {plus or 'places'}, classes + {4 * BINS}]")
