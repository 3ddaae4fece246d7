"""Scaling as Pillow and torchvision do it by default: each pixel is a mean of all that it stands for, nearer ones more."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Size = tuple[int, int]
"""Width and height in pixels."""


class Antialiased:
    """Scales pictures of one size to another, with memory of its own. Of one thread at a time.

    The filter is a triangle, two pixels wide in the smaller of both pictures: Pillow's ``BILINEAR``, torchvision's with
    ``antialias``. As there, rows come first, and what they give is rounded to levels. Values are Pillow's to a level.
    """

    def __init__(self, before: Size, after: Size) -> None:
        self._across = _weights(before[0], after[0])
        self._down = _weights(before[1], after[1])

    def __call__(self, image: NDArray[np.uint8], scaled: NDArray[np.uint8]) -> None:
        """Fill ``scaled``, uint8 (height, width, channels) of the size after, with a picture of the size before."""
        height, width, channels = image.shape
        columns = image.transpose(1, 0, 2).reshape(width, height * channels).astype(np.float32)
        across = _levels(self._across @ columns).reshape(-1, height, channels)
        rows = across.transpose(1, 0, 2).reshape(height, -1).astype(np.float32)
        scaled[:] = _levels(self._down @ rows).reshape(scaled.shape)


def _levels(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    values += np.float32(0.5)
    return values.astype(np.uint8)


def _weights(before: int, after: int) -> Any:
    """Sparse (after, before): what each pixel of a row takes of those before; each row adds up to 1."""
    scale = before / after
    reach = max(scale, 1.0)
    values: list[float] = []
    places: list[int] = []
    ends = [0]
    for pixel in range(after):
        middle = (pixel + 0.5) * scale
        first, last = max(0, math.floor(middle - reach + 0.5)), min(before, math.floor(middle + reach + 0.5))
        found = [max(0.0, 1.0 - abs(at + 0.5 - middle) / reach) for at in range(first, last)]
        total = sum(found)
        values += [value / total for value in found]
        places += range(first, last)
        ends.append(len(places))
    return sparse.csr_array((np.array(values, np.float32), np.array(places), np.array(ends)), shape=(after, before))
