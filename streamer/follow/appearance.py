"""What an object looks like, in few numbers: enough to tell a red coat from a black one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.follow.flow import Glimpse
from streamer.follow.motion import GRID

Singles = NDArray[np.float32]

ROWS, COLUMNS = 6, 3
_SPREAD = 28.0
"""Grey levels of mean difference at which two objects count as 1/e alike."""


def look_of(box_xyxy: NDArray[np.float64], weights: Singles, glimpse: Glimpse) -> Singles:
    """Mean luma and doubled chroma of the object's pixels in ROWS x COLUMNS cells: float32 (ROWS, COLUMNS, 3).

    The weights keep the background out; cells with none of the object hold the object's mean.
    """
    x0, y0, x1, y1 = box_xyxy
    channels = []
    for plane, gain in ((glimpse.luma, 1.0), (glimpse.chroma[0], 2.0), (glimpse.chroma[1], 2.0)):
        sx, sy = plane.shape[1] / glimpse.size[0], plane.shape[0] / glimpse.size[1]
        cell_x, cell_y = (x1 - x0) / GRID * sx, (y1 - y0) / GRID * sy
        matrix = np.array([[cell_x, 0.0, x0 * sx + 0.5 * cell_x - 0.5], [0.0, cell_y, y0 * sy + 0.5 * cell_y - 0.5]])
        patch = cv2.warpAffine(
            plane, matrix, (GRID, GRID), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )
        channels.append(patch.astype(np.float32) * gain)
    picture = np.stack(channels, axis=-1)
    mass = weights[..., None] + 1e-4
    cells = cv2.resize(picture * mass, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    share = cv2.resize(weights + 1e-4, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)[..., None]
    mean = (picture * mass).sum(axis=(0, 1)) / mass.sum()
    trust = np.clip(share / 0.3, 0.0, 1.0)
    return np.asarray(trust * cells / share + (1.0 - trust) * mean, np.float32)


def likeness(a: Singles, b: Singles) -> float:
    """0..1: how alike two looks are."""
    return float(np.exp(-np.mean(np.abs(a - b)) / _SPREAD))
