"""The guided filter (He, Sun, Tang: Guided image filtering, 2010): edges of one picture are moved to where those of others are.

Within a small window it explains the picture as a linear function of its guides, so that it changes where they do.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def linear_model(values: Floats, guides: Sequence[Floats], radius: int, smoothness: float) -> tuple[list[Floats], Floats]:
    """How ``values`` follow from the ``guides`` around each point: a slope for each guide, and an offset.

    All are float32 (M, M), or (M, M, N) for N pictures of their own, at most the 512 that OpenCV filters at once; ``sum(slope *
    guide) + offset`` is the filtered picture. As they are smooth, they may be found at low resolution and enlarged (He and Sun:
    Fast guided filter, 2015). A window is 2 ``radius`` + 1 cells wide. ``smoothness`` is the variance of a guide, in its unit
    squared and above 0, below which a window has no edge to follow.
    """

    def mean(picture: Floats) -> Floats:
        side = 2 * radius + 1
        return np.asarray(cv2.blur(picture, (side, side), borderType=cv2.BORDER_REFLECT), np.float32).reshape(values.shape)

    count = len(guides)
    middle, middles = mean(values), [mean(guide) for guide in guides]
    slopes = [mean(guide * values) - own * middle for guide, own in zip(guides, middles, strict=True)]
    shared = {
        (i, k): mean(guides[i] * guides[k]) - middles[i] * middles[k] + np.float32(smoothness * (i == k))
        for i in range(count)
        for k in range(i, count)
    }
    # Gauss' elimination, all points at once: the matrix of covariances is symmetric and positive.
    for i in range(count):
        for k in range(i + 1, count):
            factor = shared[i, k] / shared[i, i]
            for j in range(k, count):
                shared[k, j] = shared[k, j] - factor * shared[i, j]
            slopes[k] = slopes[k] - factor * slopes[i]
    for i in reversed(range(count)):
        for k in range(i + 1, count):
            slopes[i] = slopes[i] - shared[i, k] * slopes[k]
        slopes[i] = slopes[i] / shared[i, i]
    offset = middle
    for slope, own in zip(slopes, middles, strict=True):
        offset = np.asarray(offset - slope * own, np.float32)
    return [mean(slope) for slope in slopes], mean(offset)
