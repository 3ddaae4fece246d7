"""Whether everybody keeps their number: IDF1 and switches, by motmetrics at IoU 0.5; and how well masks overlap true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from benchmarks.average_precision import Picture
from streamer.follow.boxes import overlaps
from streamer.instances import Instances
from streamer.sinks.coco_masks import crops, rles

SAME = 0.1
"""Least overlap of two masks of one object."""


class Identities(NamedTuple):
    """How well identities hold."""

    idf1: float
    """0..1: share of all boxes, shown and true, that carry the right identity."""
    switches: int
    """Times that a person's number changed."""
    precision: float
    recall: float


def identities(shown: Sequence[Instances], truth: Sequence[Instances], class_id: int) -> Identities:
    """Judge the boxes of a class by ground truth with track ids."""
    import motmetrics

    judge = motmetrics.MOTAccumulator(auto_id=True)
    for found, true in zip(shown, truth, strict=True):
        kept = found[found.class_ids == class_id]
        iou, _ = overlaps(true.boxes_xyxy.astype(np.float64), kept.boxes_xyxy.astype(np.float64))
        judge.update(true.track_ids.tolist(), kept.track_ids.tolist(), np.where(iou >= 0.5, 1.0 - iou, np.nan))
    names = ["idf1", "num_switches", "precision", "recall"]
    row = motmetrics.metrics.create().compute(judge, metrics=names, name="clip").iloc[0]
    return Identities(float(row.idf1), int(row.num_switches), float(row.precision), float(row.recall))


def mask_overlap(shown: Sequence[Instances], truth: Sequence[Instances], picture: Picture) -> float:
    """Mean IoU of the masks of objects that are shown and there, matched one to one in each frame; 0 where there are none."""
    found: list[NDArray[np.float64]] = []
    for a, b in zip(shown, truth, strict=True):
        ours, theirs = (
            [rle for rle in rles(crops(x, picture.width, picture.height), picture.width, picture.height) if rle is not None]
            for x in (a, b)
        )
        if ours and theirs:
            iou = np.asarray(coco_mask.iou(ours, theirs, [0] * len(theirs)), np.float64)
            matched = iou[linear_sum_assignment(-iou)]
            found.append(matched[matched >= SAME])
    return float(np.concatenate(found).mean()) if found else 0.0
