"""Where the upper part of an object went from one picture to the next: normalised cross-correlation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.follow.flow import LowResFrame

Doubles = NDArray[np.float64]
Singles = NDArray[np.float32]

WIDTH, HEIGHT = 0.8, 0.6
"""Shares of a box that are compared: the middle of its upper part. Legs swing, the torso moves with the person.
*Measured* on people of 90 pixels: carried with 0.6 of their height they overlap the truth better than with 0.5, 0.85 or 1."""
REACH = 0.6
"""How far from where it is expected it is searched, in widths of the box; less than that up and down."""
LEAST, MOST = 3, 24
"""Bounds of that in working pixels."""
FAR = 0.1
"""What a place at the end of the reach has to correlate better than the expected one."""
STILL = 0.15
"""Weight of pixels that look the same in both pictures where they are: they are the background's, or tell nothing."""
CHANGE = 20.0
"""Grey levels of difference from which on a pixel counts in full."""
AT_REST = 2.5
"""Grey levels of difference, on average, up to which an object stands still."""
EXPLAINED = 0.4
"""Where moving a patch as expected leaves less than this share of the difference there is nothing to be searched."""
CELLS = 10
"""Cells that a patch is wide, at least: larger ones are made that small."""
LOW_CELLS = 2
"""Cells that it is high, at least: of an object far wider than high no row is left otherwise. 4 carries bikes no better."""
SMALLEST = 4, 6
"""Least width and height to be compared, working pixels."""


class Match(NamedTuple):
    """Where a patch was found again."""

    move: Doubles
    """(2,): picture pixels."""
    score: float
    """-1..1: how well it correlates there."""
    expected_score: float
    """-1..1: how well at the place that was expected."""


def find(earlier: LowResFrame, later: LowResFrame, box_xyxy: Doubles, weights: Singles, expected: Doubles) -> Match | None:
    """Search an object's patch near where ``expected`` (2,), in picture pixels, would move it.

    None for one that is too small, stands still, or where ``expected`` explains all that changes.
    """
    scale_x, scale_y = earlier.to_picture
    x0, y0, x1, y1 = box_xyxy.tolist()
    inset = 0.5 * (1.0 - WIDTH) * (x1 - x0)
    h, w = earlier.luma.shape
    left, right = max(0, round((x0 + inset) / scale_x)), min(w, round((x1 - inset) / scale_x))
    top, bottom = max(0, round(y0 / scale_y)), min(h, round((y0 + HEIGHT * (y1 - y0)) / scale_y))
    if right - left < SMALLEST[0] or bottom - top < SMALLEST[1]:
        return None
    shift_x, shift_y = round(float(expected[0]) / scale_x), round(float(expected[1]) / scale_y)
    template = earlier.luma[top:bottom, left:right]
    change = np.asarray(cv2.absdiff(template, later.luma[top:bottom, left:right]), np.uint8)
    changed = cv2.mean(change)[0]
    if changed < AT_REST:
        return None
    moved = later.luma[max(0, top + shift_y) : max(0, bottom + shift_y), max(0, left + shift_x) : max(0, right + shift_x)]
    if moved.shape == template.shape and cv2.mean(cv2.absdiff(template, moved))[0] < EXPLAINED * changed:
        return None
    # Large objects are searched coarser: they lose nothing, and the cost goes with the fourth power.
    cell = max(1, min((right - left) // CELLS, (bottom - top) // LOW_CELLS))
    reach_x = max(2, round(min(max(REACH * (x1 - x0) / scale_x, LEAST), MOST) / cell))
    reach_y = max(2, round(0.6 * reach_x))
    width, height = (right - left) // cell, (bottom - top) // cell
    left_of, top_of = left + shift_x - reach_x * cell, top + shift_y - reach_y * cell
    area = _cut(later.luma, left_of, top_of, left_of + (width + 2 * reach_x) * cell, top_of + (height + 2 * reach_y) * cell)
    if area is None:
        return None
    size = (width + 2 * reach_x, height + 2 * reach_y)
    mask = np.asarray(cv2.resize(weights, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    coarse = _coarse(np.asarray(cv2.blur(change, (3, 3)), np.uint8), cell, (width, height))
    mask *= STILL + (1.0 - STILL) / CHANGE * np.minimum(coarse, CHANGE)
    scores = cv2.matchTemplate(
        _coarse(area, cell, size), _coarse(template, cell, (width, height)), cv2.TM_CCOEFF_NORMED, mask=mask
    )
    # Places without texture have no correlation.
    known = np.where(np.isfinite(scores), np.clip(scores, -1.0, 1.0), 0.0)
    scores = np.asarray(known - _far(reach_x, reach_y), np.float32)
    y, x = np.unravel_index(int(scores.argmax()), scores.shape)
    across = (int(x) - reach_x + _between(scores[y, :].tolist(), int(x))) * cell + shift_x
    down = (int(y) - reach_y + _between(scores[:, x].tolist(), int(y))) * cell + shift_y
    return Match(np.array([across * scale_x, down * scale_y]), float(scores[y, x]), float(scores[reach_y, reach_x]))


def _coarse(plane: NDArray[np.uint8], cell: int, size: tuple[int, int]) -> Singles:
    """A plane averaged over cells, ``size`` of them; what is left over at its right and bottom is cut off."""
    if cell > 1:
        plane = np.asarray(cv2.resize(plane[: size[1] * cell, : size[0] * cell], size, interpolation=cv2.INTER_AREA), np.uint8)
    return plane.astype(np.float32)


def _cut(plane: NDArray[np.uint8], left: int, top: int, right: int, bottom: int) -> NDArray[np.uint8] | None:
    """A part of a plane; what lies outside repeats the edge. None where all of it does."""
    h, w = plane.shape
    inside = plane[max(0, top) : min(h, max(0, bottom)), max(0, left) : min(w, max(0, right))]
    if not inside.size:
        return None
    edges = max(0, -top), max(0, bottom - h), max(0, -left), max(0, right - w)
    return np.asarray(cv2.copyMakeBorder(inside, *edges, cv2.BORDER_REPLICATE), np.uint8) if any(edges) else inside


@lru_cache(maxsize=256)
def _far(reach: int, reach_y: int) -> Singles:
    across = (np.arange(2 * reach + 1, dtype=np.float32) / reach - 1.0) ** 2
    down = (np.arange(2 * reach_y + 1, dtype=np.float32) / reach_y - 1.0) ** 2
    return np.asarray(FAR * (across + down[:, None]), np.float32)


def _between(row: Sequence[float], at: int) -> float:
    """Where between the samples the peak of a parabola through three of them lies, -0.5..0.5 from ``at``."""
    if not 0 < at < len(row) - 1:
        return 0.0
    before, here, after = row[at - 1 : at + 2]
    bend = before - 2.0 * here + after
    return min(0.5, max(-0.5, 0.5 * (before - after) / bend)) if bend < 0 else 0.0
