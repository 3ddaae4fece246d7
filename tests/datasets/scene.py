"""The scene that exports are made of. It needs nothing of streamer: formats' own readers compare with it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 64, 48
"""Size of the pictures, pixels."""
NAMES = {1: "person", 3: "car", 77: "class 77"}
SCORES = (0.9, 0.8, 0.7, 0.6)
"""Of the objects of a frame."""
SIDE = 24
"""Objects are squares of so many pixels, with a cell a pixel: their masks are exact."""
PTS = (0, 3000, 6100, 96100, 99000)
"""A variable rate, with a pause of a second."""

Mask = NDArray[np.uint8]


def disc() -> Mask:
    y, x = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2
    mask: Mask = (np.hypot(x, y) < SIDE / 2).astype(np.uint8)
    return mask


def ring() -> Mask:
    mask = disc()
    mask[8:14, 8:15] = 0
    return mask


def parts() -> Mask:
    mask = disc()
    mask[10:12] = 0
    return mask


def scene() -> Iterator[tuple[int, list[tuple[int, int | None, tuple[int, int], Mask | None]]]]:
    """For each frame its pts and its objects: class, track, left and top, mask."""
    for index, pts in enumerate(PTS):
        objects: list[tuple[int, int | None, tuple[int, int], Mask | None]] = [
            (1, 1, (2 + 4 * index, 6), disc()),
            (3, 2, (38, 20), ring()),
            (77, None, (0, 24), parts()),
            (3, 9, (10, 0), None),
        ]
        yield pts, [] if index == 2 else objects


def truth(index: int, row: int) -> Mask:
    """The mask of an object in the whole picture."""
    _, objects = list(scene())[index]
    _, _, (x, y), mask = objects[row]
    assert mask is not None
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    picture[y : y + SIDE, x : x + SIDE] = mask
    return picture
