"""A user's own function as a detector: an RGB picture in, ``supervision.Detections`` or something like them out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.box_masks import cut_out
from streamer.detectors.plugin import brief, labels_of
from streamer.errors import DetectorContractError, DetectorUnavailable, StreamerError, in_one_line
from streamer.instances import Instances

LEAST_CELLS, MOST_CELLS = 33, 112
"""Cells a side of a mask: as many as the largest object has pixels, within these bounds."""
_MOST_CLASS_ID = 2.0**53
"""Up to here every whole number is exact."""
_GIVEN = ("score_threshold", "device")
"""What a factory may ask for: a function that needs something else is one that detects."""


def is_detecting(thing: Callable[..., object]) -> bool:
    """Whether a callable takes a picture, instead of making a detector."""
    if inspect.isclass(thing):
        return False
    needed = [
        parameter
        for parameter in inspect.signature(thing).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.name not in _GIVEN
    ]
    return len(needed) == 1


class FunctionDetector:
    """Calls ``function(image)`` with an RGB picture, uint8 (height, width, 3).

    It answers with :class:`Instances`, or with something that has ``xyxy`` (N, 4) in pixels, and maybe ``confidence`` (N,),
    ``class_id`` (N,), ``mask`` (N, height, width) and ``data["class_name"]`` (N,), as ``supervision.Detections`` has. Masks
    of the picture become small ones relative to their boxes.
    """

    input_size: tuple[int, int] | None = None

    def __init__(self, function: Callable[..., Any], spec: str, labels: object) -> None:
        """``spec`` names it in errors; ``labels`` are the function's or its module's, None where they have none.

        Raises ``DetectorContractError`` for labels that are no names by number.
        """
        self._function = function
        self._spec = spec
        self.name = spec
        self.device = "unknown"
        self.labels: dict[int, str] = {} if labels is None else dict(labels_of(labels, spec))
        """Names that only the answers tell are added as they come."""

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        """What the function finds. What it raises passes through; ``DetectorContractError`` for another kind of answer."""
        return self.detect_wanted(image, lambda found: np.arange(len(found)))

    def detect_wanted(
        self, image: NDArray[np.uint8], wanted: Callable[[Instances], NDArray[np.intp]], *, masks: bool = True
    ) -> Instances:
        """See ``stages.DetectsWanted``."""
        answer = self._function(image)
        if isinstance(answer, Instances):
            return answer[wanted(answer)]
        boxes = self._numbers(answer, "xyxy", (-1, 4))
        if boxes is None:
            raise DetectorContractError(
                f"the detector {self._spec} answered with {brief(answer)}, "
                "expected supervision.Detections or streamer.Instances",
                hint="it needs at least xyxy, (N, 4) in pixels",
            )
        count = len(boxes)
        scores = self._numbers(answer, "confidence", (count,))
        ids = self._ids(answer, count)
        names = self._names(answer, count)
        found = Instances(
            boxes_xyxy=boxes.astype(np.float32),
            scores=np.ones(count, np.float32) if scores is None else scores.astype(np.float32),
            class_ids=self._class_ids(ids, names, count),
        )
        rows = wanted(found)
        found = found[rows]
        given = getattr(answer, "mask", None)
        if given is None or not masks or not len(found):
            return found
        height, width = image.shape[:2]
        shape = tuple(getattr(given, "shape", ()))
        if shape != (count, height, width):
            raise DetectorContractError(
                f"the detector {self._spec}: mask: expected shape ({count}, {height}, {width}), got {brief(given)}"
            )
        seen = np.clip(np.nan_to_num(found.boxes_xyxy), 0.0, np.array([width, height] * 2, np.float32))
        sides = seen[:, 2:] - seen[:, :2]
        cells = int(np.clip(np.ceil(sides.max()), LEAST_CELLS, MOST_CELLS))
        fractions = np.asarray(found.boxes_xyxy / np.array([width, height] * 2), np.float64)
        # Row by row: some keep them compressed, and as many pictures at once as there are objects is a lot of memory.
        cut = cut_out((self._mask(given[int(row)]) for row in rows), fractions, (width, height), cells)
        return replace(found, masks=cut, has_mask=np.ones(len(found), np.bool_))

    def warm_up(self) -> None:
        """Call it on a black picture. Raises ``DetectorUnavailable`` when it raises, or ends the process."""
        try:
            self.detect(np.zeros((360, 640, 3), np.uint8))
        except StreamerError:
            raise
        except (Exception, SystemExit) as error:
            raise DetectorUnavailable(
                f"the detector {self._spec} failed on a black picture: {in_one_line(error)}", hint="mend it"
            ) from error

    def close(self) -> None:
        """Nothing: the function is the user's."""

    def _ids(self, answer: object, count: int) -> NDArray[np.int64] | None:
        ids = self._numbers(answer, "class_id", (count,))
        if ids is None:
            return None
        if not (np.abs(ids) < _MOST_CLASS_ID).all():  # nor is NaN
            given = brief(getattr(answer, "class_id", None))
            raise DetectorContractError(f"the detector {self._spec}: class_id: expected whole numbers below 2^53, got {given}")
        return np.rint(ids).astype(np.int64)

    def _numbers(self, answer: object, name: str, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
        value = getattr(answer, name, None)
        if value is None:
            return None
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError) as error:
            raise DetectorContractError(f"the detector {self._spec}: {name}: expected numbers, got {brief(value)}") from error
        if array.size == 0 and shape[0] in (-1, 0):
            return np.zeros((0, *shape[1:]))
        if array.ndim != len(shape) or any(want not in (-1, got) for want, got in zip(shape, array.shape, strict=True)):
            expected = tuple("N" if side == -1 else side for side in shape)
            raise DetectorContractError(f"the detector {self._spec}: {name}: expected shape {expected}, got {brief(value)}")
        return array

    def _mask(self, given: object) -> NDArray[np.generic]:
        """One mask of the picture, 0..1, of truth values, probabilities, or whole numbers that are 0 where nothing is."""
        mask = np.asarray(given)
        if mask.dtype.kind not in "buif":
            raise DetectorContractError(
                f"the detector {self._spec}: mask: expected truth values or probabilities, got {brief(mask)}"
            )
        if mask.dtype.kind == "f":
            return np.asarray(np.clip(np.nan_to_num(mask), 0.0, 1.0))
        return np.asarray(mask != 0)

    def _names(self, answer: object, count: int) -> list[str] | None:
        data = getattr(answer, "data", None)
        names = data.get("class_name") if isinstance(data, Mapping) else None
        if not isinstance(names, np.ndarray | Sequence) or len(names) != count:
            return None
        return ["" if name is None else str(name) for name in names]

    def _class_ids(self, ids: NDArray[np.int64] | None, names: list[str] | None, count: int) -> NDArray[np.int64]:
        if ids is None and names is not None:
            names = [name or "unnamed" for name in names]
            numbers = {name: number for number, name in self.labels.items()}
            for name in names:
                if name not in numbers:
                    numbers[name] = max(self.labels, default=-1) + 1
                    self.labels[numbers[name]] = name
            return np.array([numbers[name] for name in names], np.int64)
        if ids is None:
            return np.zeros(count, np.int64)
        for number, name in zip(ids.tolist(), names or (), strict=False):
            if name:
                self.labels.setdefault(number, name)
        return ids
