"""Networks that answer with finished objects: torchvision, RT-DETR, D-FINE, DEIM, and the TF Object Detection API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detectors.exported.description import Description
from streamer.detectors.exported.found import Arrays, Floats, Found, Rows, best_first, unbatched
from streamer.detectors.exported.grid_masks import cells_for, from_maps, grids
from streamer.detectors.exported.picture_input import Fit, Preparation
from streamer.detectors.exported.recognition import Miss, Place

TORCHVISION = "torchvision"
CELLS_FOR_PIXEL = 2.0
"""Cells of a mask for one pixel of the object: maps of few cells have to be kept as they are to be pasted alike."""
TRUED_PIXELS_FOR_CELL = 2.0
"""Pixels for one cell of a mask of the box up to which the pixels that it is pasted into decide what it is: with more, masks of
random cells have an IoU of 0.98 without looking at them."""
RT_DETR = "RT-DETR, D-FINE or DEIM"
MOST_FRACTION = 1.5
"""Of boxes that reach no further than this none has a pixel: they are fractions, as of the SSD of the ONNX model zoo."""
BOX_CELLS_MOST = 64
"""Masks with as many cells a side as this, or fewer, are of the box and not of the picture."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One file of this family."""

    family: str
    boxes_at: int
    scores_at: int
    classes_at: int
    masks_at: int | None
    preparation: Preparation
    count_at: int | None = None
    """Which output says how many rows count."""
    fractions: bool = False
    """Whether boxes are fractions of the input instead of pixels."""
    y_first: bool = False
    """Whether boxes are top, left, bottom, right."""
    classes: int | None = None

    @property
    def has_masks(self) -> bool:
        return self.masks_at is not None

    def read(self, outputs: Arrays, fit: Fit, least_score: float) -> Found:
        """See :class:`Reader`."""
        given = np.asarray(outputs[self.scores_at]).reshape(-1).astype(np.float32, copy=False)
        names = np.asarray(outputs[self.classes_at]).reshape(-1)
        every = np.asarray(outputs[self.boxes_at]).reshape(-1, 4).astype(np.float32, copy=False)
        rows = min(len(given), len(names), len(every), self._count(outputs))
        scores = given[:rows]
        at = np.flatnonzero((scores >= least_score) & np.isfinite(names[:rows]))
        at = at[best_first(scores[at])]
        boxes = every[at][:, [1, 0, 3, 2]] if self.y_first else every[at]
        if self.fractions or (self.family == RT_DETR and every[:rows].max(initial=0.0) <= MOST_FRACTION):
            boxes = boxes * np.array(fit.input_size * 2, np.float32)
        in_picture = fit.to_picture(boxes)
        classes = np.rint(names[at]).astype(np.intp)
        if self.masks_at is None:
            return Found(in_picture, scores[at], classes)
        maps = _maps(outputs[self.masks_at])

        def masks(picked: Rows) -> Floats:
            return _masks(maps[at[picked]], boxes[picked], in_picture[picked], fit, pasted=self.family == TORCHVISION)

        return Found(in_picture, scores[at], classes, masks)

    def _count(self, outputs: Arrays) -> int:
        if self.count_at is None:
            return np.iinfo(np.int32).max
        counts = np.asarray(outputs[self.count_at]).reshape(-1)
        return int(counts[0]) if len(counts) and np.isfinite(counts[0]) and counts[0] > 0 else 0


def _maps(array: NDArray[Any]) -> NDArray[Any]:
    """Masks (N, h, w) of [N, 1, h, w] or [1, N, h, w]."""
    if array.ndim == 4 and array.shape[1] == 1:
        return array[:, 0]
    return unbatched(array)


def _masks(maps: NDArray[Any], boxes: Floats, in_picture: Floats, fit: Fit, *, pasted: bool) -> Floats:
    values = maps.astype(np.float32) / np.float32(255.0 if maps.dtype == np.uint8 and maps.max(initial=0) > 1 else 1.0)
    logits = bool(values.size) and not (np.nanmin(values) >= -0.01 and np.nanmax(values) <= 1.01)
    if max(maps.shape[1:]) > BOX_CELLS_MOST:
        of_pixels = pasted and not logits and maps.shape[1:] == fit.input_size[::-1]
        cells = cells_for(in_picture.astype(np.float64), CELLS_FOR_PIXEL) if of_pixels else None
        return from_maps(
            values, fit.from_picture(in_picture), fit.input_size, logits=logits, cells=cells, true_to_pixels=of_pixels
        )
    if pasted and not logits:
        return _pasted(values, boxes, in_picture, fit)
    # Relative to the whole box, of which the picture may have cut something off.
    height, width = maps.shape[1:]
    seen = fit.from_picture(in_picture)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6).astype(np.float64)
    start = boxes[:, :2].astype(np.float64)
    scale = np.tile(np.array([width, height]) / sides, 2)
    in_cells = (seen - np.tile(start, 2)) * scale
    return from_maps(values, in_cells, (width, height), logits=logits)


def _pasted(maps: Floats, boxes: Floats, in_picture: Floats, fit: Fit) -> Floats:
    """Masks of maps (N, M, M) as torchvision pastes them, relative to their boxes.

    It pastes a map, with a border of one empty cell, into whole pixels: from the box's left, made larger by that border and
    rounded down, to the pixel of its right. So cells lie up to a pixel beside where the box has them. What it pastes beside
    the box is left out.
    """
    cells = maps.shape[-1]
    bordered = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    centre = (boxes[:, :2].astype(np.float64) + boxes[:, 2:]) / 2
    half = (boxes[:, 2:].astype(np.float64) - boxes[:, :2]) / 2 * (cells + 2) / cells
    start, end = np.trunc(centre - half), np.trunc(centre + half)
    step = (cells + 2) / np.maximum(end - start + 1, 1)

    def part_of(row: int, left: int, top: int, right: int, bottom: int) -> Floats:
        first = (np.array([left, top]) + 0.5 - start[row]) * step[row] - 0.5
        matrix = np.array([[step[row, 0], 0.0, first[0]], [0.0, step[row, 1], first[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        pixels = cv2.warpAffine(
            bordered[row], matrix, (right - left, bottom - top), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(pixels, np.float32)

    in_input = fit.from_picture(in_picture)
    in_cells = (in_input - np.tile(start, 2)) * np.tile(step, 2)
    enough = cells_for(in_picture.astype(np.float64), CELLS_FOR_PIXEL)
    # Between the cells of larger ones lie pixels on one straight line, so that pixels need not be looked at, which takes long.
    large = (end - start).max(axis=1) > TRUED_PIXELS_FOR_CELL * (cells + 2)
    small = np.flatnonzero(~large)
    made = np.zeros((len(boxes), enough, enough), np.float32)
    made[small] = grids(
        lambda row, *sides: part_of(int(small[row]), *sides),
        in_input[small],
        (0, 0, *fit.input_size),
        logits=False,
        cells=enough,
        true_to_pixels=True,
    )
    made[large] = from_maps(bordered[large], in_cells[large], (cells + 2, cells + 2), logits=False, cells=enough)
    return made


OWN_SIZE = Preparation("none")
LETTERBOX = Preparation("letterbox", padding=114)
STRETCHED = Preparation("stretch", antialiased=True)
INTERPOLATED = Preparation("stretch")
LEVELS = Preparation("stretch", deviation=(1.0, 1.0, 1.0), averaged=True)
AROUND_0 = Preparation("stretch", mean=(127.5,) * 3, deviation=(127.5,) * 3, averaged=True)
SSD = "SSD with post-processing"
_LITERT = "TFLite_Detection_PostProcess"
_TF = {"boxes": "detection_boxes", "scores": "detection_scores", "classes": "detection_classes", "count": "num_detections"}
_COUNTED = {
    "YOLO, end to end with a count": ("num_dets", "det_boxes", "det_scores", "det_classes"),
    "YOLO-NAS, end to end": ("num_predictions", "pred_boxes", "pred_scores", "pred_classes"),
}
"""How the names of the outputs end that hold count, boxes, scores and classes: of YOLOv6, v7 and v8 with their suppression, as
TensorRT's EfficientNMS names them, and of YOLO-NAS."""


def match(description: Description, place: Place) -> Answers | Miss:
    """This family's reader for the file, or what is missing."""
    outputs = description.outputs
    names = [tensor.name.split(":")[0].lower() for tensor in outputs]
    if _TF["boxes"] in names:
        return _tf(names, place)
    for family, ends in _COUNTED.items():
        at = [[at for at, name in enumerate(names) if name.endswith(end)] for end in ends]
        if len(outputs) == len(ends) and all(len(each) == 1 for each in at):
            return Answers(family, at[1][0], at[2][0], at[3][0], None, LETTERBOX, count_at=at[0][0])
    if all(tensor.name.startswith(_LITERT) for tensor in outputs) and len(outputs) == len(_TF):
        return _litert([tensor.name for tensor in outputs], place)
    boxes = [at for at, tensor in enumerate(outputs) if tensor.shape[-1:] == (4,) and len(tensor.shape) in (2, 3)]
    flat = [at for at, tensor in enumerate(outputs) if len(tensor.shape) == len(outputs[boxes[0]].shape) - 1] if boxes else []
    classes = [at for at in flat if outputs[at].dtype.startswith("int")]
    scores = [at for at in flat if outputs[at].dtype.startswith("float")]
    maps = [at for at, tensor in enumerate(outputs) if len(tensor.shape) == 4 or "mask" in names[at]]
    known = 3 + len(maps) + _joints([tensor.shape for at, tensor in enumerate(outputs) if at not in (*boxes, *flat, *maps)])
    if len(boxes) != 1 or len(classes) != 1 or len(scores) != 1 or len(maps) > 1 or len(outputs) != known:
        fits = (len(boxes) == 1) + (len(classes) == 1) + (len(scores) == 1)
        return Miss(
            "torchvision or RT-DETR", fits, "it has outputs for boxes [N, 4], scores [N] and classes [N] in whole numbers"
        )
    masks = maps[0] if maps else None
    batched = len(outputs[boxes[0]].shape) == 3
    sized = any(tensor.name != place.tensor.name for tensor in description.inputs)
    if batched or sized:
        # D-FINE-seg, which says its size so, scales with OpenCV; the others do with Pillow.
        preparation = INTERPOLATED if "img_size" in description.metadata else STRETCHED
        return Answers(RT_DETR, boxes[0], scores[0], classes[0], masks, preparation)
    return Answers(TORCHVISION, boxes[0], scores[0], classes[0], masks, OWN_SIZE)


def _joints(others: Sequence[tuple[int | None, ...]]) -> int:
    """How many of the outputs are joints [N, K, 3] and their scores [N, K], of Keypoint R-CNN, which are not looked at."""
    return 2 if sorted(len(shape) for shape in others) == [2, 3] and any(shape[2:] == (3,) for shape in others) else 0


def _litert(names: list[str], place: Place) -> Answers:
    """The operation for post-processing numbers its outputs: boxes, classes, scores, count."""
    boxes, classes, scores, count = sorted(range(len(names)), key=lambda at: names[at].removeprefix(_LITERT))
    # Whole numbers are levels; floats are within -1..1, as these networks were trained.
    preparation = LEVELS if place.tensor.dtype == "uint8" else AROUND_0
    return Answers(SSD, boxes, scores, classes, None, preparation, count_at=count, fractions=True, y_first=True)


def _tf(names: list[str], place: Place) -> Answers | Miss:
    missing = [name for name in _TF.values() if name not in names]
    if missing:
        return Miss("TF Object Detection API", 4 - len(missing), f"it has no output {', '.join(missing)}")
    at = {role: names.index(name) for role, name in _TF.items()}
    masks = names.index("detection_masks") if "detection_masks" in names else None
    return Answers(
        "TF Object Detection API",
        at["boxes"],
        at["scores"],
        at["classes"],
        masks,
        # It scales pictures of any size itself, and many keep their proportions.
        LEVELS if place.size else replace(LEVELS, resize="none"),
        count_at=at["count"],
        fractions=True,
        y_first=True,
    )
