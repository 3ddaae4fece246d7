"""Networks that answer with one row for each finished object: YOLOv7 and YOLO-NAS with their suppression, PaddleDetection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamer.detectors.exported.answers import LETTERBOX, Answers
from streamer.detectors.exported.description import Description, Tensor
from streamer.detectors.exported.found import Arrays, Found
from streamer.detectors.exported.picture_input import Fit, Preparation
from streamer.detectors.exported.queries import normalised
from streamer.detectors.exported.recognition import Miss, Place

SIDES = ("left", "top", "right", "bottom")
COLUMNS = (*SIDES, "score", "class", "picture", "-")
"""What a column may hold: ``picture`` is the number of the picture, from 0; ``-`` is not looked at."""
PADDLE = "PaddleDetection"
_BY_NAME = {
    "flat_predictions": ("YOLO-NAS, end to end", ("picture", *SIDES, "score", "class")),
    "output": ("YOLOv7, end to end", ("picture", *SIDES, "class", "score")),
}
"""What is exported under the name of such an output."""
_WIDE = 7
_OF_PADDLE = ("class", "score", *SIDES)


@dataclass(frozen=True, slots=True)
class FinishedRows:
    """One file of this family."""

    family: str
    rows_at: int
    columns: Sequence[str]
    """What each column holds, of ``COLUMNS``."""
    preparation: Preparation
    fractions: bool = False
    """Whether boxes are fractions of the input instead of pixels."""
    classes_at: int | None = None
    """Which output holds the classes, where no column does."""
    masks_at: int | None = None
    count_at: int | None = None
    """Which output says how many rows count."""
    classes: int | None = None

    @property
    def has_masks(self) -> bool:
        return self.masks_at is not None

    def read(self, outputs: Arrays, fit: Fit, least_score: float) -> Found:
        """See :class:`Reader`."""
        columns = list(self.columns)
        rows = np.asarray(outputs[self.rows_at]).reshape(-1, len(columns))
        if "picture" in columns:
            rows = rows[rows[:, columns.index("picture")] == 0]
        boxes = rows[:, [columns.index(side) for side in SIDES]]
        classes = rows[:, columns.index("class")] if self.classes_at is None else outputs[self.classes_at]
        parts = [boxes, rows[:, columns.index("score")], classes]
        masks_at = count_at = None
        if self.masks_at is not None:
            masks_at = len(parts)
            parts.append(outputs[self.masks_at])
        if self.count_at is not None:
            count_at = len(parts)
            parts.append(outputs[self.count_at])
        apart = Answers(self.family, 0, 1, 2, masks_at, self.preparation, count_at, self.fractions)
        return apart.read(parts, fit, least_score)


def is_one(description: Description) -> bool:
    """Whether the only output may be such rows, and is no row of a classification, which there is one of for a picture."""
    (output,) = description.outputs
    wide = output.shape[-1:] in ((5,), (6,), (7,))
    beyond_one = output.shape[:1] != (1,) or len(description.inputs) > 1
    return len(output.shape) == 2 and wide and (beyond_one or _named(output) is not None)


def _named(output: Tensor) -> tuple[str, tuple[str, ...]] | None:
    if output.shape[-1:] != (_WIDE,) or len(output.shape) != 2:
        return None
    return next((found for name, found in _BY_NAME.items() if output.name.lower().endswith(name)), None)


def match(description: Description, place: Place) -> FinishedRows | Miss:  # noqa: ARG001  # the input's size plays no part here
    """This family's reader for the file, or what is missing."""
    outputs = description.outputs
    if any(tensor.name == "scale_factor" for tensor in description.inputs):
        return _of_paddle(description)
    if len(outputs) == 1 and (named := _named(outputs[0])) is not None:
        family, columns = named
        return FinishedRows(family, 0, columns, LETTERBOX)
    with_boxes = [at for at, tensor in enumerate(outputs) if tensor.shape[-1:] in ((5,), (6,), (7,))]
    whole = [tensor.name for tensor in outputs if tensor.dtype.startswith("int")]
    if len(with_boxes) == 1 and len(outputs) <= 3 and (len(outputs) == 1 or whole):
        rows = outputs[with_boxes[0]]
        return Miss(
            "rows of finished objects", 3, f"what the {rows.shape[-1]} columns of {rows.name} are is not said (columns)"
        )
    return Miss("rows of finished objects", 0, "it has an output with a row for each object")


def _of_paddle(description: Description) -> FinishedRows | Miss:
    outputs = description.outputs
    rows = [at for at, tensor in enumerate(outputs) if tensor.shape[-1:] == (len(_OF_PADDLE),)]
    counts = [at for at, tensor in enumerate(outputs) if tensor.dtype.startswith("int") and len(tensor.shape) == 1]
    if len(rows) != 1 or len(outputs) != 1 + len(counts) or len(counts) > 1:
        return Miss(PADDLE, 1, "it has an output [N, 6], and maybe one for their number: export its post-processing too")
    preparation = normalised(description, Preparation("stretch"))
    if preparation is None:
        return Miss(PADDLE, 4, "whether its picture is 0..1 or imagenet is not said (scaling), as infer_cfg.yml beside it does")
    return FinishedRows(PADDLE, rows[0], _OF_PADDLE, preparation, count_at=counts[0] if counts else None)
