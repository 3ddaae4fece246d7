"""Appearance of an object: histograms of its luma and chroma."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.follow.flow import LowResFrame

Singles = NDArray[np.float32]

WIDTH, HEIGHT = 12, 24
"""Points that an object is sampled on."""
PARTS = 3
"""Head and shoulders, middle, legs: each has histograms of its own."""
BINS = 16
"""Of each of the histograms of luma, U and V."""
CHROMA_REACH = 24.0
"""Distance from grey at which the chroma histograms end: what is more colourful than coats, walls and skin counts as that."""


def appearance_of(box_xyxy: NDArray[np.float64], mask: Singles, low_res: LowResFrame) -> Singles:
    """Histograms of the object's luma, U and V, float32 (PARTS, 3, BINS), each of sum 1, or 0 where it has no pixels.

    ``mask`` (M, M) weighs the points of the box. *Measured* on walking people of 90 pixels, 0.5 to 4 seconds apart: a person
    is more similar to itself than to another one in 95 % of all cases (mean colours in cells: 90 %), and in 98 % for two in
    dark coats who walk side by side (89 %).
    """
    x0, y0, x1, y1 = box_xyxy
    weights = cv2.resize(mask, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR).ravel()
    ranges = ((0.0, 255.0), (128.0 - CHROMA_REACH, 128.0 + CHROMA_REACH), (128.0 - CHROMA_REACH, 128.0 + CHROMA_REACH))
    out = np.empty((3, PARTS, BINS), np.float32)
    for channel, (plane, (low, high)) in enumerate(zip((low_res.luma, *low_res.chroma), ranges, strict=True)):
        scale_x, scale_y = plane.shape[1] / low_res.size[0], plane.shape[0] / low_res.size[1]
        cell_x, cell_y = (x1 - x0) / WIDTH * scale_x, (y1 - y0) / HEIGHT * scale_y
        matrix = np.array([[cell_x, 0.0, x0 * scale_x + 0.5 * cell_x - 0.5], [0.0, cell_y, y0 * scale_y + 0.5 * cell_y - 0.5]])
        patch = cv2.warpAffine(
            plane, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )
        # Each value is shared by the two bins that it lies between: a little more light must not change everything.
        at = np.clip((patch.ravel() - np.float32(low)) * np.float32((BINS - 1) / (high - low)), 0.0, BINS - 1.001)
        lower = at.astype(np.intp)
        upper_share = at - lower
        lower += _part_offsets()
        counts = np.bincount(lower, weights * (1.0 - upper_share), PARTS * BINS)
        counts += np.bincount(lower + 1, weights * upper_share, PARTS * BINS)
        out[channel] = counts.reshape(PARTS, BINS)
    appearance = out.transpose(1, 0, 2)
    return np.asarray(appearance / np.maximum(appearance.sum(axis=2, keepdims=True), 1e-6), np.float32)


def similarity(a: Singles, b: Singles) -> float:
    """0..1: how similar two appearances are: the mean of the histograms' Bhattacharyya coefficients."""
    return float(np.sqrt(a * b).sum() / (PARTS * 3))


@cache
def _part_offsets() -> NDArray[np.intp]:
    """Of each sampled point the index of its part's first bin."""
    rows = np.arange(HEIGHT) * PARTS // HEIGHT
    return np.repeat(rows * BINS, WIDTH)
