"""Whether a new track is an object that has a track already: detectors tell of one object twice, or of two as of a third."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.analysis.subject import Sighting

SAME_IOU = 0.5
"""Overlap of two boxes, intersection over union, of one object ..."""
SAME_SHARE = 0.8
"""... and the share of a box that those of others cover when there need not be a further object in it."""
_POINTS = 8
"""The share is found by so many points a side."""


def is_double(new: Sighting, known: Sequence[Sighting]) -> bool:
    """Whether ``new`` may be one of the objects ``known`` of its frame, or some of them: those of its class fill its place."""
    x0, y0, x1, y1 = new.box
    others = []
    for other in known:
        left, top, right, bottom = other.box
        if other.class_id != new.class_id or left >= x1 or right <= x0 or top >= y1 or bottom <= y0:
            continue
        common = (min(right, x1) - max(left, x0)) * (min(bottom, y1) - max(top, y0))
        if common >= SAME_IOU * ((x1 - x0) * (y1 - y0) + (right - left) * (bottom - top) - common):
            return True
        others.append(other.box)
    if not others:
        return False
    step_x, step_y = (x1 - x0) / _POINTS, (y1 - y0) / _POINTS
    points = [(x0 + (column + 0.5) * step_x, y0 + (row + 0.5) * step_y) for row in range(_POINTS) for column in range(_POINTS)]
    filled = sum(any(left <= x < right and top <= y < bottom for left, top, right, bottom in others) for x, y in points)
    return filled >= SAME_SHARE * len(points)
