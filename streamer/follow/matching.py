"""Which detection belongs to which track."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from streamer.follow.appearance import similarity
from streamer.follow.boxes import Doubles, overlaps
from streamer.follow.motion import MotionState
from streamer.follow.tracks import Detection, Track

SURE_IOU = 0.2
"""Least overlap of a track with a detection above the threshold, unless the track was missed before."""
DOUBTFUL_IOU = 0.4
"""Least overlap of a track with one below the threshold: many of those are parts of an object."""
OTHER_CLASS_IOU = 0.6
"""Boxes of different classes are one object only when they overlap this much."""
MISSED_SIMILARITY = 0.7
"""Least similarity of appearance for a track that was missed before: the detection may be of another object."""
FAR_SIMILARITY = 0.8
"""The same away from the expected position. *Measured* on people of 90 pixels a second apart: one person 0.94 (median), two
people 0.63."""
APPEARANCE_COST = 4.0
"""Cost of an entirely different appearance, where no overlap at all costs 1: objects side by side overlap each other well."""
YOUNG_HITS = 10
"""Detections below which a track counts as young ..."""
YOUNG = 1.0
"""... and the cost of that: a second answer for one object starts a second track, which must not replace the first."""
_NEVER = 1e3
MOST_GROWTH = 0.4
"""Most difference of heights, as a logarithm, where there is no overlap."""


def match(
    tracks: Sequence[Track],
    states: Sequence[MotionState],
    detections: Sequence[Detection],
    lost: NDArray[np.bool_],
    reach: NDArray[np.float64],
    min_iou: float,
) -> list[tuple[int, int]]:
    """Pairs (track, detection) that are the same object: the assignment of least cost (Hungarian, SciPy).

    The cost is made of overlap, distance and appearance. ``states`` are the tracks' states in the frame of the detections.
    ``lost`` (N,) marks tracks that the last detections missed: those may be off by ``reach`` (N,), in box heights, but their
    appearance has to match.
    """
    if not tracks or not detections:
        return []
    iou, distance, growth = _compared(states, detections)
    cost = np.full((len(tracks), len(detections)), _NEVER)
    for i, track in enumerate(tracks):
        for j, detection in enumerate(detections):
            near = iou[i, j] >= min_iou
            same = detection.class_id in track.votes
            if not near and not (lost[i] and same and distance[i, j] < reach[i] and growth[i, j] < MOST_GROWTH):
                continue
            # One object does not change between having a mask and having none: a driver is not the car.
            if not same and (iou[i, j] < OTHER_CLASS_IOU or (track.mask is None) != (detection.mask is None)):
                continue
            alike = similarity(track.appearance, detection.appearance)
            if lost[i] and alike < (MISSED_SIMILARITY if near else FAR_SIMILARITY):
                continue
            cost[i, j] = 1.0 - iou[i, j] + 0.3 * min(distance[i, j], 2.0) + APPEARANCE_COST * (1.0 - alike)
            cost[i, j] += 0.3 * (not same) + YOUNG * (track.hits < YOUNG_HITS)
    rows, columns = linear_sum_assignment(cost)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if cost[i, j] < _NEVER]


def match_leaps(
    tracks: Sequence[Track], states: Sequence[MotionState], detections: Sequence[Detection], reach: float
) -> list[tuple[int, int]]:
    """Pairs (track, detection) of what went further from one frame to the next than it is large: the flow does not follow that.

    They lie up to ``reach`` apart, in box sizes, are of one class and look alike. Only where neither could be joined with
    another one: then it can be nothing else than that object, or one that came as it went.
    """
    if not tracks or not detections:
        return []
    _, distance, growth = _compared(states, detections)
    may = (distance < reach) & (growth < MOST_GROWTH)
    may &= np.array([[detection.class_id in track.votes for detection in detections] for track in tracks], np.bool_)
    alone = may & (may.sum(axis=1) == 1)[:, None] & (may.sum(axis=0) == 1)
    return [
        (i, j)
        for i, j in np.argwhere(alone).tolist()
        if similarity(tracks[i].appearance, detections[j].appearance) >= FAR_SIMILARITY
    ]


def _compared(states: Sequence[MotionState], detections: Sequence[Detection]) -> tuple[Doubles, Doubles, Doubles]:
    """Overlap (IoU), distance in sizes of the track's box, and difference of heights as a logarithm: (tracks, detections)."""
    ours = np.stack([state.box_xyxy for state in states])
    theirs = np.stack([detection.box_xyxy for detection in detections])
    iou, _ = overlaps(ours, theirs)
    our_centres, their_centres = 0.5 * (ours[:, :2] + ours[:, 2:]), 0.5 * (theirs[:, :2] + theirs[:, 2:])
    our_sizes, their_sizes = ours[:, 2:] - ours[:, :2], theirs[:, 2:] - theirs[:, :2]
    scale = np.sqrt(np.maximum(our_sizes.prod(axis=1), 1.0))
    distance = np.linalg.norm(our_centres[:, None] - their_centres[None], axis=2) / scale[:, None]
    growth = np.abs(np.log(np.maximum(their_sizes[None, :, 1], 1.0) / np.maximum(our_sizes[:, None, 1], 1.0)))
    return iou, distance, growth
