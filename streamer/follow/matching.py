"""Which detection is which track."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from streamer.follow.appearance import likeness
from streamer.follow.boxes import overlaps
from streamer.follow.motion import Body
from streamer.follow.tracks import Found, Track

SURE_IOU = 0.2
"""A sure detection overlaps its track at least this much, unless the track was lost."""
DOUBTFUL_IOU = 0.4
"""A doubtful one at least this much: many are parts of somebody."""
OTHER_CLASS_IOU = 0.6
"""Boxes of different classes are one object only when they overlap this much."""
MISSED_LIKENESS = 0.7
"""Somebody who was missed is found again only when he looks at least this much like himself: it may be a passer-by."""
FAR_LIKENESS = 0.8
"""The same away from where he is expected. *Measured* on people of 90 pixels a second apart: the same one 0.94 (median), two
people 0.63."""
LOOKS = 4.0
"""What looking quite different costs, where no overlap at all costs 1: people who walk side by side overlap each other well."""
YOUNG_HITS = 10
"""A track that was detected less often ..."""
YOUNG = 1.0
"""... costs this more: a second answer for somebody makes a second track, and must not take the first one's place."""
_NEVER = 1e3


def match(
    tracks: Sequence[Track],
    bodies: Sequence[Body],
    founds: Sequence[Found],
    lost: NDArray[np.bool_],
    reach: NDArray[np.float64],
    min_iou: float,
) -> list[tuple[int, int]]:
    """Pairs (track, detection) that are the same object: the assignment of least cost (Hungarian, SciPy).

    The cost is made of overlap, distance and looks. ``bodies`` says where each track stood in the picture that was detected in.
    ``lost`` (N,) marks tracks that nothing was seen of lately: they may have gone astray by ``reach`` (N,), in box heights, but
    have to look like themselves.
    """
    if not tracks or not founds:
        return []
    ours = np.stack([body.box_xyxy for body in bodies])
    theirs = np.stack([found.box_xyxy for found in founds])
    iou, _ = overlaps(ours, theirs)
    our_centres, their_centres = 0.5 * (ours[:, :2] + ours[:, 2:]), 0.5 * (theirs[:, :2] + theirs[:, 2:])
    our_sizes, their_sizes = ours[:, 2:] - ours[:, :2], theirs[:, 2:] - theirs[:, :2]
    scale = np.sqrt(np.maximum(our_sizes.prod(axis=1), 1.0))
    distance = np.linalg.norm(our_centres[:, None] - their_centres[None], axis=2) / scale[:, None]
    growth = np.abs(np.log(np.maximum(their_sizes[None, :, 1], 1.0) / np.maximum(our_sizes[:, None, 1], 1.0)))
    cost = np.full((len(tracks), len(founds)), _NEVER)
    for i, track in enumerate(tracks):
        for j, found in enumerate(founds):
            near = iou[i, j] >= min_iou
            same = found.class_id in track.votes
            if not near and not (lost[i] and same and distance[i, j] < reach[i] and growth[i, j] < 0.4):
                continue
            # The outline of the one must not end up on the other: a driver is not his car.
            if not same and (iou[i, j] < OTHER_CLASS_IOU or (track.mask is None) != (found.mask is None)):
                continue
            alike = likeness(track.look, found.look)
            if lost[i] and alike < (MISSED_LIKENESS if near else FAR_LIKENESS):
                continue
            cost[i, j] = 1.0 - iou[i, j] + 0.3 * min(distance[i, j], 2.0) + LOOKS * (1.0 - alike)
            cost[i, j] += 0.3 * (not same) + YOUNG * (track.hits < YOUNG_HITS)
    rows, columns = linear_sum_assignment(cost)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if cost[i, j] < _NEVER]
