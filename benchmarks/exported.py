"""What surrounds a network from a file: milliseconds of one core to fill its input, to read its boxes, and to make its masks.

    python -m benchmarks.exported

A YOLO that segments at 640x640 answers with ten drawn objects, each found at twenty places, for a picture of 1920x1080. The
network itself is left out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import asked_for, median
from streamer.detectors.exported.description import Description, Tensor
from streamer.detectors.exported.families import recognise
from streamer.detectors.exported.picture_input import PictureInput
from streamer.detectors.exported.recognition import picture_place

OBJECTS, CLASSES, COEFFICIENTS = 10, 80, 32
SIDE, CELL, PLACES = 640, 4, 8400
"""Of the input, of a cell of the prototypes in its pixels, and how many rows the network answers with."""
FOUND_AT = 20
"""Rows for one object, of which suppression leaves one."""
PICTURE = 1920, 1080
LEAST = 0.25
ROUNDS = 300


def description() -> Description:
    """The file as Ultralytics would write it."""
    prototypes = SIDE // CELL
    return Description(
        Path("yolo.onnx"),
        (Tensor("images", (1, 3, SIDE, SIDE), "float32"),),
        (
            Tensor("output0", (1, 4 + CLASSES + COEFFICIENTS, PLACES), "float32"),
            Tensor("output1", (1, COEFFICIENTS, prototypes, prototypes), "float32"),
        ),
    )


def answer(side_px: int) -> list[NDArray[np.float32]]:
    """What the network gives for ten ellipses of so many pixels of the input."""
    generator = np.random.default_rng(0)
    cells = SIDE // CELL
    rows = np.zeros((4 + CLASSES + COEFFICIENTS, PLACES), np.float32)
    rows[4 : 4 + CLASSES] = generator.uniform(0, 0.05, (CLASSES, PLACES))
    prototypes = generator.normal(0, 1, (COEFFICIENTS, cells, cells)).astype(np.float32)
    y, x = np.mgrid[0:cells, 0:cells] + 0.5
    for index in range(OBJECTS):
        # Within the picture, which fills the middle 360 of 640 rows.
        centre = side_px / 2 + (SIDE - side_px) * index / (OBJECTS - 1), SIDE / 2
        away = np.hypot((x * CELL - centre[0]) / (0.4 * side_px), (y * CELL - centre[1]) / (0.45 * side_px))
        prototypes[index] = 3 * (1 - away)
        at = slice(index * FOUND_AT, (index + 1) * FOUND_AT)
        rows[:4, at] = np.array([*centre, side_px, side_px])[:, None] + generator.normal(0, 0.02 * side_px, (4, FOUND_AT))
        rows[4 + index, at] = generator.uniform(0.4, 0.9, FOUND_AT)
        rows[4 + CLASSES + index, at] = 2
    return [rows[None], prototypes[None]]


def milliseconds(call: Callable[[], object]) -> float:
    """Median of the thread's processor time."""
    taken = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        call()
        taken.append(1000 * (time.thread_time() - start))
    return median(taken)


def main() -> int:
    asked_for(__doc__)
    cv2.setNumThreads(1)
    known = description()
    place = picture_place(known.inputs)
    assert not isinstance(place, str), place
    reader = recognise(known, place)
    filled = PictureInput(
        reader.preparation,
        size=place.size,
        largest=(SIDE, SIDE),
        stride=known.stride,
        channels_last=place.channels_last,
        batch=place.batch,
        dtype=np.dtype(np.float32),
    )
    picture = np.random.default_rng(1).integers(0, 256, (*PICTURE[::-1], 3), np.uint8)
    _, fit = filled.put(picture)
    into = milliseconds(partial(filled.put, picture))
    print(f"{reader.family}, {SIDE}x{SIDE}, picture of {PICTURE[0]}x{PICTURE[1]}, {OBJECTS} objects, ms of one core:")
    for side_px in (33, 85, 250):
        outputs = answer(side_px)
        found = reader.read(outputs, fit, LEAST)
        assert found.masks is not None
        made = found.masks(np.arange(len(found.scores)))
        if len(made) != OBJECTS:
            print(f"{len(made)} objects were found of {OBJECTS}", file=sys.stderr)
            return 1
        out = milliseconds(partial(reader.read, outputs, fit, LEAST))
        masks = milliseconds(partial(found.masks, np.arange(OBJECTS)))
        size, cells = round(side_px * PICTURE[0] / SIDE), "x".join(map(str, made.shape[1:]))
        parts = f"picture {into:.2f}, boxes {out:.2f}, masks of {cells} {masks:.2f}"
        print(f"  objects of {size} px: {parts}, all {into + out + masks:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
