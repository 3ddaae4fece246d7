"""Networks with a box and class scores for each place, in two outputs and nothing suppressed yet, as a YAML says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamer.detectors.exported.found import Arrays, Found, best_first, corners, kept_boxes, unbatched
from streamer.detectors.exported.picture_input import Fit, Preparation
from streamer.detectors.exported.queries import Scores, probabilities
from streamer.detectors.nanodet_boxes import Boxes

Sides = Literal["xyxy", "yxyx", "cxcywh"]
IOU = 0.65
"""Overlap above which the less sure box of a class goes, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Places:
    """One file of this family."""

    boxes_at: int
    scores_at: int
    classes: int
    preparation: Preparation
    scores: Scores = "probabilities"
    sides: Sides = "xyxy"
    fractions: bool = False
    """Whether boxes are fractions of the input instead of pixels."""
    iou: float = IOU
    family: str = "places"
    has_masks: bool = False

    def read(self, outputs: Arrays, fit: Fit, least_score: float) -> Found:
        """See :class:`Reader`."""
        every = probabilities(unbatched(outputs[self.scores_at]).astype(np.float32, copy=False), self.scores)
        scores = every.max(axis=1)
        at = np.flatnonzero((scores >= least_score) & (scores > 0))
        at = at[best_first(scores[at])]
        given = unbatched(outputs[self.boxes_at]).astype(np.float32, copy=False)[at]
        sides = corners(given) if self.sides == "cxcywh" else given[:, [1, 0, 3, 2]] if self.sides == "yxyx" else given
        if self.fractions:
            sides = sides * np.array(fit.input_size * 2, np.float32)
        boxes = Boxes(sides, scores[at], every[at].argmax(axis=1))
        kept = kept_boxes(boxes, self.iou)
        return Found(fit.to_picture(boxes.xyxy[kept]), boxes.scores[kept], boxes.classes[kept])
