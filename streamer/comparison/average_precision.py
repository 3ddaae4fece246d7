"""Average precision of one class, by COCO's rules, fed frame by frame."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Overlaps from which an object counts as found."""
_RECALLS = np.linspace(0.0, 1.0, 101)
_MOST = 100
"""Objects of a class in a frame that are judged, those of the best scores."""
_NEARLY_ONE = 1 - 1e-10

Floats64 = NDArray[np.float64]


class AveragePrecision:
    """Holds ten bytes of each object that was judged; its figures are those of ``pycocotools.cocoeval``, for all areas."""

    def __init__(self, thresholds: Floats64 = THRESHOLDS) -> None:
        """``thresholds``: up to 16 overlaps (IoU) from which an object counts as found."""
        self._thresholds = np.minimum(thresholds, _NEARLY_ONE)
        self._bits = (1 << np.arange(len(thresholds))).astype(np.int64)
        self._truths = 0
        self._scores = array("d")
        self._hits = array("H")

    def add(self, iou: Floats64, scores: Floats64) -> None:
        """Judge a frame: ``iou`` (T, J) of true and judged objects, ``scores`` (J,) of the judged ones."""
        truths = len(iou)
        self._truths += truths
        best_first = np.argsort(-scores, kind="mergesort")[:_MOST]
        free = np.ones((len(self._thresholds), truths), np.bool_)
        for row in best_first.tolist():
            self._scores.append(float(scores[row]))
            self._hits.append(self._match(iou[:, row], free))

    def figures(self) -> Floats64:
        """Average precision (0..1) at each threshold; NaN where there was no true object."""
        if not self._truths:
            return np.full(len(self._thresholds), np.nan)
        if not self._scores:
            return np.zeros(len(self._thresholds))
        best_first = np.argsort(-np.frombuffer(self._scores, np.float64), kind="mergesort")
        hits = np.frombuffer(self._hits, np.uint16)[best_first]
        ranks = np.arange(1, len(hits) + 1)
        return np.array([_area(((hits & bit) > 0).cumsum(), ranks, self._truths) for bit in self._bits.tolist()])

    def _match(self, iou: Floats64, free: NDArray[np.bool_]) -> int:
        """Give an object to the best true one that is free, at each threshold; the thresholds it passes, as bits."""
        if not len(iou) or iou.max() < self._thresholds[0]:
            return 0
        left = np.where(free, iou, -1.0)
        # Of equal ones COCO takes the last.
        best = left.shape[1] - 1 - left[:, ::-1].argmax(axis=1)
        rows = np.flatnonzero(left[np.arange(len(left)), best] >= self._thresholds)
        free[rows, best[rows]] = False
        return int(self._bits[rows].sum())


def _area(found: NDArray[np.int64], ranks: NDArray[np.int64], truths: int) -> float:
    """Mean of the precision at 101 recalls, where no later one is better."""
    recall = found / truths
    precision = np.maximum.accumulate((found / (ranks + np.spacing(1)))[::-1])[::-1]
    at = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.where(at < len(precision), precision[np.minimum(at, len(precision) - 1)], 0.0).mean())
