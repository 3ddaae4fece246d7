"""Networks that answer with a fixed number of queries: RF-DETR, and DETR-like ones without post-processing.

Each query has a box (centre and size as fractions of the picture), a score for each class, and maybe a mask of the picture.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from streamer.detectors.exported.description import MOST_SIDE, Description
from streamer.detectors.exported.found import MOST_KEPT, Arrays, Floats, Found, Rows, best_first, corners, unbatched
from streamer.detectors.exported.grid_masks import from_maps
from streamer.detectors.exported.picture_input import IMAGENET_DEVIATION, IMAGENET_MEAN, Fit, Preparation
from streamer.detectors.exported.recognition import Miss, Place, cells, sizes

Scores = Literal["sigmoid", "softmax", "probabilities"]
"""What the scores are: logits of each class by itself, of one class in all (of which the last is "nothing"), or final."""
RF_DETR = Preparation("stretch", mean=IMAGENET_MEAN, deviation=IMAGENET_DEVIATION, in_floats=True)


@dataclass(frozen=True, slots=True)
class Queries:
    """One file of this family."""

    boxes_at: int
    scores_at: int
    masks_at: int | None
    classes: int
    scores: Scores = "sigmoid"
    preparation: Preparation = RF_DETR
    family: str = "RF-DETR"

    @property
    def has_masks(self) -> bool:
        return self.masks_at is not None

    def read(self, outputs: Arrays, fit: Fit, least_score: float) -> Found:
        """See :class:`Reader`."""
        given = unbatched(outputs[self.scores_at]).astype(np.float32, copy=False)
        scores = probabilities(given, self.scores)
        if self.scores == "softmax":
            # Of one class in all: a query is of its best one only.
            scores = np.where(np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None], scores, -1.0)
        flat: Floats = scores.reshape(-1).astype(np.float32, copy=False)
        at = np.flatnonzero(flat >= least_score)
        at = at[best_first(flat[at], min(MOST_KEPT, len(scores)))]
        queries, classes = np.divmod(at, scores.shape[1])
        boxes = corners(unbatched(outputs[self.boxes_at]).astype(np.float32, copy=False)[queries])
        in_picture = fit.to_picture(boxes * np.array(fit.input_size * 2, np.float32))
        if self.masks_at is None:
            return Found(in_picture, flat[at], classes)
        maps = unbatched(outputs[self.masks_at])

        def masks(rows: Rows) -> Floats:
            picked = maps[queries[rows]].astype(np.float32, copy=False)
            return from_maps(picked, fit.from_picture(in_picture[rows]), fit.input_size, logits=True)

        return Found(in_picture, flat[at], classes, masks)


def probabilities(given: Floats, kind: Scores) -> Floats:
    """Scores (N, classes) of what a network gives for each class."""
    if kind == "probabilities":
        return given
    if kind == "sigmoid":
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(given, -80.0, 80.0))), np.float32)
    odds = np.exp(given - given.max(axis=1, keepdims=True))
    return np.asarray(odds[:, :-1] / odds.sum(axis=1, keepdims=True), np.float32)


STRETCHED = Preparation("stretch", antialiased=True)
INTERPOLATED = ("rtdetr", "rtdetrv2")
"""Those that LibreYOLO scales with OpenCV, not with Pillow."""
SIGMOID = {
    "rt_detr": "RT-DETR",
    "rt_detr_v2": "RT-DETR",
    "rtdetr": "RT-DETR",
    "rtdetrv2": "RT-DETR",
    "rtdetrv4": "RT-DETR",
    "d_fine": "D-FINE",
    "dfine": "D-FINE",
    "deim": "DEIM",
}
"""Families by the names that Transformers (``model_type``) and LibreYOLO (``model_family``) have for them."""

TRANSFORMERS: Mapping[str, tuple[Scores, str]] = {
    "detr": ("softmax", "DETR"),
    "yolos": ("softmax", "YOLOS"),
    "table-transformer": ("softmax", "Table Transformer"),
    "conditional_detr": ("sigmoid", "Conditional DETR"),
    "deformable_detr": ("sigmoid", "Deformable DETR"),
}
"""More that Transformers names: what their scores are, and the family."""

PATCHES = {"yolos": 16}
"""Pixels that the sides of the input are a multiple of, by ``model_type``, where that is not any."""

MOST_QUERIES = 1000
"""More boxes than that are places of a grid, or anchors, whose numbers mean something else. DINO has 900."""
_BOXES = ("dets", "box")
_SCORES = ("labels", "logits", "scores", "classes")


def match(description: Description, place: Place) -> Queries | Miss:
    """This family's reader for the file, or what is missing."""
    found = sizes(description)
    whole = all(description.outputs[at].dtype.startswith("float") for at in found)
    rows = {at: shape for at, shape in found.items() if len(shape) == 2}
    maps = [at for at, shape in found.items() if len(shape) == 3]
    boxes = [at for at, shape in rows.items() if shape[1] == 4]
    if len(boxes) > 1:
        boxes = [at for at in boxes if any(word in description.outputs[at].name.lower() for word in _BOXES)]
    scores = [at for at, shape in rows.items() if at not in boxes and boxes and shape[0] == rows[boxes[0]][0]]
    if not whole or len(boxes) != 1 or len(scores) != 1 or len(found) != 2 + len(maps) or len(maps) > 1:
        return Miss("RF-DETR", len(boxes), "it has outputs [1, queries, 4] and [1, queries, classes], and maybe masks")
    count = rows[boxes[0]][0]
    if count > MOST_QUERIES or count in [cells(place.size, strides) for strides in ((8, 16, 32), (8, 16, 32, 64))]:
        what = f"it has {MOST_QUERIES} boxes at most, and not {count} to suppress"
        return Miss("RF-DETR", 2, f"{what}: export its post-processing too, or say family: places")
    if maps and found[maps[0]][0] != rows[boxes[0]][0]:
        return Miss("RF-DETR", 2, "its masks are not as many as its boxes")
    name = description.outputs[scores[0]].name.lower()
    at = boxes[0], scores[0], maps[0] if maps else None
    classes = rows[scores[0]][1]
    kind = description.metadata.get("model_type") or description.metadata.get("model_family", "")
    if kind in SIGMOID:
        return Queries(*at, classes, "sigmoid", _preparation(description), SIGMOID[kind])
    if (known := TRANSFORMERS.get(description.metadata.get("model_type", ""))) is not None:
        return Queries(*at, classes - (known[0] == "softmax"), known[0], _preparation(description), known[1])
    if name.startswith(("pred_", "logits")):
        # The same shapes come from networks whose last class is "nothing": the file does not say which it is.
        outputs = ", ".join(f"{role}: {description.outputs[row].name}" for role, row in (("boxes", at[0]), ("scores", at[1])))
        return Miss(
            "RF-DETR",
            3,
            f"whether {name} are of single classes (sigmoid) or of one in all (softmax) is not said; in YAML: "
            f"{{outputs: {{{outputs}}}, scores: softmax}}",
        )
    return Queries(*at, classes, "probabilities" if "scores" in name else "sigmoid")


def _preparation(description: Description) -> Preparation:
    """As the file's metadata say: stretched, with the mean and deviation that stand there, in 0..1, if any do."""
    usual = replace(
        STRETCHED,
        antialiased=description.metadata.get("model_family") not in INTERPOLATED,
        edges=_edges(description),
    )
    return normalised(description, usual) or usual


def normalised(description: Description, usual: Preparation) -> Preparation | None:
    """``usual`` with the mean and deviation of the metadata, which stand there in 0..1; None where none do."""
    mean, deviation = (_three(description.metadata.get(key, "")) for key in ("image_mean", "image_std"))
    return None if mean is None or deviation is None or 0.0 in deviation else replace(usual, mean=mean, deviation=deviation)


def _edges(description: Description) -> tuple[int, int, int] | None:
    multiple = PATCHES.get(description.metadata.get("model_type", ""), 1)
    try:
        shortest, longest = json.loads(description.metadata.get("edges", ""))
    except (ValueError, TypeError):
        return None
    fit = type(shortest) is type(longest) is int and 0 < shortest <= longest <= MOST_SIDE
    return (shortest, longest, multiple) if fit else None


def _three(text: str) -> tuple[float, float, float] | None:
    try:
        red, green, blue = (255.0 * float(value) for value in json.loads(text))
    except (ValueError, TypeError, OverflowError):
        return None
    return (red, green, blue) if math.isfinite(red + green + blue) else None
