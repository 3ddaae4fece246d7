"""Whether anything moves in front of a fixed camera, for next to nothing."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Frame, plane_views

_CELLS = 3600
"""Cells that the picture is averaged into: 80 x 45 of a wide one. A person a thirtieth as high as the picture fills two."""
_LEAST_CHANGE = 5.0
"""Levels of luma by which a cell has to differ from the background."""
_NOISE_FACTOR = 8.0
"""The same in units of the cells' typical difference: noise at night is no motion."""
_FEWEST_CELLS = 2
_STRONG = 3.0
"""A single cell that differs by so many times the limit counts as well."""
_GLOBAL_SHARE = 0.5
"""Share of the cells beyond which it is the light or the camera that changed: the background is learnt anew."""
_FITS = 3
_GAINS = (0.2, 5.0)
"""How much darker or brighter the same scene may become at once."""
_SETTLE_S = 1.0
"""Seconds after such a change in which the camera's exposure settles."""
_LEARN_S = 4.0
"""Seconds in which what stays becomes background: what walks slowly does not."""


class MotionGate:
    """Looks at the luma of one frame after the other. Pure: time is the frames' own.

    The background is a running average. Before comparing, what all cells have in common (exposure, clouds, a lamp that dims)
    is taken out as one gain and one offset; a change of most cells at once is no motion, but a new background.
    """

    def __init__(self) -> None:
        self._background: NDArray[np.float32] | None = None
        self._at_s = -math.inf
        self._settled_s = -math.inf
        self._noise: float | None = None

    def moves(self, frame: Frame) -> bool:
        """Whether something moved since the frames before; true for a first frame, and for one after a change of the whole."""
        luma = plane_views(frame.picture)[0]
        size = _cells(luma.shape[1], luma.shape[0])
        cells = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        background, passed_s = self._background, frame.time_s - self._at_s
        self._at_s = frame.time_s
        if background is None or background.shape != cells.shape or passed_s < 0:
            self._background = cells
            return True
        limit = max(_LEAST_CHANGE, _NOISE_FACTOR * (self._noise or 0.0))
        difference = _unlike(background, cells, limit)
        changed = int(np.count_nonzero(difference > limit))
        if changed > _GLOBAL_SHARE * cells.size:
            self._background = cells
            # One look tells what the new picture holds; while the exposure settles there are no more.
            first = frame.time_s >= self._settled_s
            self._settled_s = frame.time_s + _SETTLE_S
            return first
        share = min(1.0, passed_s / _LEARN_S)
        self._background = background + np.float32(share) * (cells - background)
        typical = float(np.median(difference))
        self._noise = typical if self._noise is None else self._noise + share * (typical - self._noise)
        return changed >= _FEWEST_CELLS or bool(difference.max() > _STRONG * limit)


def _cells(width: int, height: int) -> tuple[int, int]:
    shrink = max(1, round(math.sqrt(width * height / _CELLS)))  # whole factors are several times cheaper to average
    return max(1, width // shrink), max(1, height // shrink)


def _unlike(background: NDArray[np.float32], cells: NDArray[np.float32], limit: float) -> NDArray[np.float32]:
    """By how much each cell differs from the background under the light of now, which the cells that do not move tell."""
    alike = np.ones(cells.shape, bool)
    difference = np.zeros_like(cells)
    for _ in range(_FITS):
        before, now = background[alike], cells[alike]
        middle, now_middle = before.mean(), now.mean()
        spread = np.square(before - middle).mean()
        gain = ((before - middle) * (now - now_middle)).mean() / spread if spread > 1.0 else np.float32(1.0)
        difference = np.abs(cells - now_middle - np.clip(gain, *_GAINS) * (background - middle))
        alike = difference <= limit
        if np.count_nonzero(alike) < (1 - _GLOBAL_SHARE) * cells.size:
            break
    return difference
