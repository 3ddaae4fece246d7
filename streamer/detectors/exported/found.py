"""What a reader makes of a network's outputs, and what all readers do with boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.exported.picture_input import Fit, Preparation
from streamer.detectors.nanodet_boxes import Boxes, suppress

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]
Arrays = Sequence[NDArray[Any]]

CANDIDATES = 3000
"""Boxes at most that enter the suppression, best scores first."""
MOST_KEPT = 300
"""Objects at most of a picture, as the frameworks themselves keep."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """N objects, best score first."""

    boxes_xyxy: Floats
    """float32 (N, 4) in pixels of the picture."""
    scores: Floats
    """float32 (N,): 0..1."""
    classes: Rows
    """(N,): as the network numbers them."""
    masks: Callable[[Rows], Floats] | None = None
    """Masks (K, M, M), probabilities relative to the box, of the given rows; None where the network makes none."""
    empty_go: bool = False
    """Whether objects of whose mask nothing is left are none, as the framework has it; else they keep their box."""


class Reader(Protocol):
    """How the outputs of one family of networks become objects."""

    @property
    def family(self) -> str:
        """Its name, for people."""
        ...

    @property
    def preparation(self) -> Preparation:
        """How it wants pictures."""
        ...

    @property
    def classes(self) -> int | None:
        """How many classes the outputs tell apart, from 0 on; None where they do not say."""
        ...

    @property
    def has_masks(self) -> bool:
        """Whether the outputs hold masks."""
        ...

    def read(self, outputs: Arrays, fit: Fit, least_score: float) -> Found:
        """The objects that score ``least_score`` and more, of the outputs in the file's order."""
        ...


def unbatched(array: NDArray[Any]) -> NDArray[Any]:
    """The output without its leading 1, if it has one."""
    return array[0] if array.ndim > 1 and array.shape[0] == 1 else array


def corners(boxes_cxcywh: Floats) -> Floats:
    """Boxes (N, 4) as left, top, right, bottom, of centre and size."""
    centre, half = boxes_cxcywh[:, :2], boxes_cxcywh[:, 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def best_first(scores: Floats, most: int = CANDIDATES) -> Rows:
    """Rows by falling score, at most so many."""
    return np.argsort(-scores, kind="stable")[:most]


def kept_boxes(boxes: Boxes, iou: float, *, across_classes: bool = False) -> Rows:
    """The rows of boxes, best score first, that no better one of their class (or of any) covers by more than ``iou``.

    Boxes that hold something else than numbers are none of them.
    """
    finite = np.flatnonzero(np.isfinite(boxes.xyxy).all(axis=1))
    usable = Boxes(boxes.xyxy[finite], boxes.scores[finite], boxes.classes[finite])
    return finite[suppress(usable, MOST_KEPT, iou=iou, other_class_iou=iou if across_classes else None)]
