"""What a reader made of a file, beside its scene. Needs only NumPy: the readers' environments have no more."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from scene import HEIGHT, NAMES, SCORES, WIDTH, scene, truth

__all__ = ["HEIGHT", "NAMES", "SCORES", "WIDTH", "Read", "judge", "scene"]
Read = tuple[int, int | None, str, float, Any]
"""Frame from 0, track, class, score, and mask of the whole picture or None."""


def judge(reader: str, found: Iterable[Read], *, masks: bool = True, untracked: bool = True) -> int:
    """Print one line; 0 where all is as it was written. ``masks``: whether the format holds them to the pixel; ``untracked``:
    whether it holds what has no track."""
    left = {(frame, track, name, round(score, 4)): mask for frame, track, name, score, mask in found}
    wrong = []
    objects = 0
    for frame, (_, expected) in enumerate(scene()):
        for row, (class_id, track, _, mask) in enumerate(expected):
            if track is None and not untracked:
                continue
            objects += 1
            key = frame, track, NAMES[class_id], SCORES[row]
            if key not in left:
                wrong.append(f"{key} is missing")
                continue
            read = left.pop(key)
            if masks and (
                (read is None) != (mask is None) or (mask is not None and not np.array_equal(read > 0, truth(frame, row) > 0))
            ):
                wrong.append(f"{key} has another mask")
    wrong += [f"{key} is not there" for key in left]
    print(f"{reader}: {objects - len(wrong)} of {objects} objects as they were written", *wrong, sep="\n  ")
    return 1 if wrong else 0
