"""YOLO as Ultralytics and YOLOv5 to YOLOv10 export it: boxes and scores in one output, prototypes of masks in another.

Written after the shapes of such files: no code of theirs is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from streamer.detectors.exported.description import Description
from streamer.detectors.exported.found import Arrays, Floats, Found, Rows, best_first, corners, kept_boxes, unbatched
from streamer.detectors.exported.grid_masks import from_prototypes
from streamer.detectors.exported.picture_input import Fit, Preparation
from streamer.detectors.exported.recognition import Miss, Place, cells, sizes
from streamer.detectors.nanodet_boxes import Boxes

Form = Literal["columns", "rows", "objectness", "final"]
"""``columns``: a column for each place, of box, class scores and coefficients. ``rows``: the same as rows. ``objectness``:
rows with a score for any object before those of the classes. ``final``: rows of left, top, right, bottom, score, class and
coefficients."""
IOU = 0.7
"""Overlap above which Ultralytics suppresses boxes of one class."""
OBJECTNESS_IOU = 0.45
"""The same of YOLOv5."""
LIBREYOLO_IOU = 0.45
"""The same of LibreYOLO."""

LETTERBOX = Preparation("letterbox", padding=114)
STRETCHED = Preparation("stretch")


@dataclass(frozen=True, slots=True)
class Yolo:
    """One file of this family."""

    form: Form
    rows_at: int
    """Which output holds boxes and scores."""
    prototypes_at: int | None
    """Which output holds the prototypes; None where there are no masks."""
    classes: int | None
    coefficients: int = 0
    prototypes_last: bool = False
    """Whether the prototypes are the last axis."""
    fractions: bool = False
    """Whether boxes are fractions of the input instead of pixels."""
    centres: bool = False
    """RT-DETR: final boxes, too, are centre and size, and all boxes fractions; nothing is suppressed."""
    xyxy: bool = False
    """LibreYOLO: boxes that are not final, too, are left, top, right, bottom."""
    preparation: Preparation = LETTERBOX
    iou: float | None = None
    """Overlap above which boxes of one class are suppressed; None for the family's own."""

    @property
    def family(self) -> str:
        if self.centres:
            return "RT-DETR of Ultralytics"
        what = {"columns": "", "rows": "", "objectness": " with objectness", "final": ", end to end"}[self.form]
        return f"YOLO{what}, {'segment' if self.has_masks else 'detect'}"

    @property
    def has_masks(self) -> bool:
        return self.prototypes_at is not None

    def read(self, outputs: Arrays, fit: Fit, least_score: float) -> Found:
        """See :class:`Reader`."""
        raw = unbatched(outputs[self.rows_at])
        boxes, coefficients = self._final(raw, least_score) if self.form == "final" else self._raw(raw, least_score)
        if self.centres and self.form == "final":
            boxes = boxes._replace(xyxy=corners(boxes.xyxy))
        if self.fractions or self.centres:
            boxes = boxes._replace(xyxy=boxes.xyxy * np.array(fit.input_size * 2, np.float32))
        if self.form != "final" and not self.centres:
            usual = OBJECTNESS_IOU if self.form == "objectness" else IOU
            kept = kept_boxes(boxes, usual if self.iou is None else self.iou)
            boxes, coefficients = Boxes(boxes.xyxy[kept], boxes.scores[kept], boxes.classes[kept]), coefficients[kept]
        in_picture = fit.to_picture(boxes.xyxy)
        if self.prototypes_at is None:
            return Found(in_picture, boxes.scores, boxes.classes)
        prototypes = outputs[self.prototypes_at][0]

        def masks(rows: Rows) -> Floats:
            first = np.moveaxis(prototypes, -1, 0) if self.prototypes_last else prototypes
            # YOLOv5 and YOLOv7 interpolate probabilities, the others logits.
            return from_prototypes(
                first.astype(np.float32, copy=False),
                coefficients[rows],
                fit.from_picture(in_picture[rows]),
                fit,
                logits=self.form != "objectness",
            )

        return Found(in_picture, boxes.scores, boxes.classes, masks, empty_go=True)

    def _final(self, rows: Floats, least_score: float) -> tuple[Boxes, Floats]:
        scores = rows[:, 4].astype(np.float32)
        at = np.flatnonzero((scores >= least_score) & (scores > 0) & np.isfinite(rows[:, 5]))
        at = at[best_first(scores[at])]
        picked = rows[at].astype(np.float32)
        return Boxes(picked[:, :4], picked[:, 4], np.rint(picked[:, 5]).astype(np.intp)), picked[:, 6:]

    def _raw(self, raw: Floats, least_score: float) -> tuple[Boxes, Floats]:
        # A column for each place, in either form.
        columns = raw if self.form == "columns" else raw.T
        first = 5 if self.form == "objectness" else 4
        last = len(columns) - self.coefficients
        scores = columns[first:last].max(axis=0).astype(np.float32)
        if self.form == "objectness":
            scores = scores * columns[4].astype(np.float32)
        at = np.flatnonzero((scores >= least_score) & (scores > 0))
        at = at[best_first(scores[at])]
        picked = columns[:, at].astype(np.float32)
        sides = picked[:4].T if self.xyxy else corners(picked[:4].T)
        boxes = Boxes(sides, scores[at], picked[first:last].argmax(axis=0))
        return boxes, np.ascontiguousarray(picked[last:].T)


STRIDES = ((8, 16, 32), (8, 16, 32, 64))
"""Of most networks of this family, and of those with a level more for large objects (P6)."""
RARE_STRIDES = ((4, 8, 16, 32), (16, 32))
"""Of those with a level more for small objects (P2), and of YOLOv3-tiny: asked only where the others do not fit."""
ANCHORS = 3
"""Boxes at each place of YOLOv5 and YOLOv7."""
MOST_FINAL = 1000
"""Rows at most of a file that suppresses by itself."""
V6_OUTPUT = "outputs"
"""The name of YOLOv6's output: rows as of YOLOX, whose boxes are final and whose pictures are others."""
_COCO_ROW = 84
"""Numbers of a row without objectness, of COCO's classes."""


def match(description: Description, place: Place) -> Yolo | Miss:
    """This family's reader for the file, or what is missing."""
    found = sizes(description)
    rank_2 = [at for at, shape in found.items() if len(shape) == 2]
    maps = [at for at, shape in found.items() if len(shape) == 3]
    if len(rank_2) != 1 or len(maps) > 1 or len(found) != 1 + len(maps):
        return Miss("YOLO", len(rank_2) == 1, "it has one output of rank 3, [1, 4 + classes, places], and maybe prototypes")
    at = rank_2[0]
    rows, columns = found[at]
    prototypes_at = maps[0] if maps else None
    last, coefficients = False, 0
    if prototypes_at is not None:
        shape = found[prototypes_at]
        last = _last(shape, place)
        coefficients = shape[2] if last else shape[0]
    names = len(description.names)
    if "rtdetr" in description.metadata.get("description", "").lower():
        # Of the same shape, but boxes are centre and size as fractions, and none covers another.
        return Yolo("final" if columns == 6 else "rows", at, None, names or columns - 4, preparation=STRETCHED, centres=True)
    libre = description.metadata.get("model_family", "").startswith("yolo9")
    six = description.outputs[at].name == V6_OUTPUT and rows in _numbers_of_places(place, STRIDES) and columns > 5
    form = "columns" if libre else "objectness" if six else _form(rows, columns, coefficients, names, place)
    if form is None:
        return Miss("YOLO", 2, f"its output {rows} x {columns} fits no number of places of the input, or no number of classes")
    classes = {
        "columns": rows - 4 - coefficients,
        "rows": columns - 4 - coefficients,
        "objectness": columns - 5 - coefficients,
        "final": names or None,
    }[form]
    if form != "final" and names and names != classes:
        return Miss("YOLO", 3, f"its metadata name {names} classes, its output has {classes}")
    if libre:
        centred = description.metadata.get("letterbox_pad") == "center"
        preparation = LETTERBOX if centred else replace(LETTERBOX, resize="corner")
        return Yolo(form, at, prototypes_at, classes, coefficients, last, xyxy=True, preparation=preparation, iou=LIBREYOLO_IOU)
    # Ultralytics divides boxes by the input's size for LiteRT, but final ones only in files with channels last.
    fractions = description.litert and (form != "final" or place.channels_last)
    return Yolo(form, at, prototypes_at, classes, coefficients, last, fractions)


def _last(shape: tuple[int, ...], place: Place) -> bool:
    """Whether prototypes of this shape are the last axis: the others are the input's sides, made smaller alike."""
    if place.size is not None:
        width, height = place.size
        first_fits, last_fits = shape[1] * width == shape[2] * height, shape[0] * width == shape[1] * height
        if first_fits != last_fits:
            return last_fits
    return shape[2] < shape[0]


def _numbers_of_places(place: Place, levels: Sequence[Sequence[int]]) -> set[int]:
    """How many places networks have that have one of these ``levels``, each the strides of one network."""
    return {number for strides in levels if (number := cells(place.size, strides))}


def _form(rows: int, columns: int, coefficients: int, names: int, place: Place) -> Form | None:
    """How the output is laid out; None where it is none of the known ways."""
    tries = (_form_of(rows, columns, coefficients, names, place, strides) for strides in (STRIDES, RARE_STRIDES))
    return next((form for form in tries if form), None)


def _form_of(
    rows: int, columns: int, coefficients: int, names: int, place: Place, levels: Sequence[Sequence[int]]
) -> Form | None:
    """The same of networks that have one of these ``levels``, each the strides of one network."""
    places = _numbers_of_places(place, levels)
    by_anchor = {ANCHORS * number for number in places}
    least = 4 + coefficients
    if columns in places and rows > least:
        return "columns"
    if columns == 6 + coefficients and rows <= MOST_FINAL and rows not in places | by_anchor:
        return "final"
    if rows in by_anchor and columns > least + 1:
        return "objectness"
    if rows in places and columns > least and (columns == names + least if names else columns == _COCO_ROW + coefficients):
        return "rows"
    return None
