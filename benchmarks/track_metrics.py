"""Whether tracks keep their numbers: IDF1 and switches by motmetrics' rules at IoU 0.5; how well masks overlap true ones, and
how much they flicker."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from benchmarks.average_precision import Picture
from streamer.comparison.identities import Identities as TrackJudge
from streamer.follow.boxes import overlaps
from streamer.instances import Floats, Instances, resampled
from streamer.sinks.coco_masks import crops, rles

SAME = 0.1
"""Least overlap of two masks of one object."""
SAME_BOX = 0.5
"""Least overlap of a shown box with a true one, for its outline to be followed from frame to frame."""
FLICKER_CELLS = 96
"""Two outlines are compared on so many cells a side."""


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
    judge = TrackJudge()
    numbers: tuple[dict[int, int], dict[int, int]] = {}, {}
    for found, true in zip(shown, truth, strict=True):
        kept = found[found.class_ids == class_id]
        iou, _ = overlaps(true.boxes_xyxy.astype(np.float64), kept.boxes_xyxy.astype(np.float64))
        tracks = [
            np.array([known.setdefault(track, len(known)) for track in each.track_ids.tolist()], np.int64)
            for known, each in zip(numbers, (true, kept), strict=True)
        ]
        judge.add(tracks[0], tracks[1], iou)
    counts = judge.counts()
    matched = counts.truths - counts.missed
    return Identities(counts.idf1, counts.switches, matched / max(1, counts.judged), matched / max(1, counts.truths))


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


def flicker(shown: Sequence[Instances], truth: Sequence[Instances]) -> float:
    """How much outlines change from frame to frame: mean of 1 - IoU of the masks of an object in successive frames, laid with
    their centroids on each other. ``truth`` has track ids; objects whose true box touches no other are judged. 0 where none is.
    """
    alone = [_alone(a, b) for a, b in zip(shown, truth, strict=True)]
    changes = [
        _change(before[track], after[track])
        for before, after in itertools.pairwise(alone)
        for track in before.keys() & after.keys()
    ]
    return float(np.mean(changes)) if changes else 0.0


Outline = tuple[NDArray[np.float64], Floats, NDArray[np.float64]]
"""A box (4,), its mask (M, M), and the centroid of that (2,) in the picture."""


def _alone(shown: Instances, truth: Instances) -> dict[int, Outline]:
    """By true track id the outlines that are shown of objects that touch no other."""
    boxes = shown.boxes_xyxy.astype(np.float64)
    true = truth.boxes_xyxy.astype(np.float64)
    iou, _ = overlaps(true, boxes)
    among, _ = overlaps(true, true)
    out: dict[int, Outline] = {}
    for i, track in enumerate(truth.track_ids.tolist()):
        if shown.masks is None or not len(shown) or (among[i] > 0).sum() > 1 or iou[i].max() < SAME_BOX:
            continue
        at = int(iou[i].argmax())
        mask = shown.masks[at]
        if mask.sum() > 0:
            centres = (np.arange(len(mask)) + 0.5) / len(mask)
            inside = np.array([(mask.sum(axis=0) * centres).sum(), (mask.sum(axis=1) * centres).sum()]) / mask.sum()
            out[track] = boxes[at], mask, boxes[at, :2] + inside * (boxes[at, 2:] - boxes[at, :2])
    return out


def _change(before: Outline, after: Outline) -> float:
    reach = np.max([np.maximum(box[2:] - centre, centre - box[:2]) for box, _, centre in (before, after)], axis=0)
    a, b = (
        resampled(mask, box, np.concatenate([centre - reach, centre + reach]), FLICKER_CELLS) > 0.5
        for box, mask, centre in (before, after)
    )
    together = int((a | b).sum())
    return 1.0 - int((a & b).sum()) / together if together else 0.0
