"""The bound of following: what a perfect follower would show when the detector takes L frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.follow.boxes import overlaps
from streamer.instances import Instances

SAME_IOU = 0.5
"""Least overlap of a detection with the true object that it is of."""

Doubles = NDArray[np.float64]


class Sighting(NamedTuple):
    """The newest detection of a true object."""

    box_xyxy: Doubles
    true_xyxy: Doubles
    """Where the object was in that frame."""
    score: float

    def moved(self, now_xyxy: Doubles) -> Doubles:
        """The detected box, moved and grown as the object was until it came to ``now_xyxy``."""
        scale = (now_xyxy[2:] - now_xyxy[:2]) / np.maximum(self.true_xyxy[2:] - self.true_xyxy[:2], 1e-3)
        off = self.box_xyxy.reshape(2, 2) - self.true_xyxy[:2]
        return np.asarray((now_xyxy[:2] + off * scale).reshape(4))


def perfect(found: Sequence[Instances], truth: Sequence[Instances], latency: int, class_id: int) -> list[Instances]:
    """What is shown with each frame if nothing but the detector errs. ``found`` are its detections of every frame.

    An object is shown from the first answer that held it until it leaves; its box is that of the newest such answer, moved and
    grown exactly as the object. Nothing false is shown. ``truth`` is of one class, and has track ids.
    """
    known: dict[int, Sighting] = {}
    shown = []
    for index, there in enumerate(truth):
        answer = index if latency == 0 else index - latency
        if answer >= 0 and (latency == 0 or answer % latency == 0):
            known |= _sightings(found[answer], truth[answer], class_id)
        rows = [
            (known[track], box) for track, box in zip(there.track_ids.tolist(), there.boxes_xyxy, strict=True) if track in known
        ]
        if not rows:
            shown.append(Instances.empty())
            continue
        shown.append(
            Instances(
                boxes_xyxy=np.array([sighting.moved(box.astype(np.float64)) for sighting, box in rows], np.float32),
                scores=np.array([sighting.score for sighting, _ in rows], np.float32),
                class_ids=np.full(len(rows), class_id, np.int64),
            )
        )
    return shown


def _sightings(found: Instances, truth: Instances, class_id: int) -> dict[int, Sighting]:
    """The best overlapping detection of each true object, by track id."""
    found = found[found.class_ids == class_id]
    if not len(found) or not len(truth):
        return {}
    ours, theirs = truth.boxes_xyxy.astype(np.float64), found.boxes_xyxy.astype(np.float64)
    iou, _ = overlaps(ours, theirs)
    best = iou.argmax(axis=1)
    return {
        int(track): Sighting(theirs[best[i]], ours[i], float(found.scores[best[i]]))
        for i, track in enumerate(truth.track_ids)
        if iou[i, best[i]] >= SAME_IOU
    }
