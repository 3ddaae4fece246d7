"""What a model takes and gives that is a detector of instances: streamer's own contract, which docs/remote.md describes."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.instances import Instances
from streamer.kserve.messages import TensorSpec
from streamer.kserve.tensors import BYTES, BadMessage, Parameter, Tensor

IMAGE, IMAGE_JPEG = "image", "image_jpeg"
BOXES, SCORES, CLASSES, MASKS, HAS_MASK, MASK_CARRIED = "boxes", "scores", "classes", "masks", "has_mask", "mask_carried"

INPUTS = (TensorSpec(IMAGE, "UINT8", (-1, -1, 3)), TensorSpec(IMAGE_JPEG, BYTES, (1,)))
"""Either of the two: an RGB picture (height, width, 3), or a JPEG."""
OUTPUTS = (
    TensorSpec(BOXES, "FP32", (-1, 4)),
    TensorSpec(SCORES, "FP32", (-1,)),
    TensorSpec(CLASSES, "INT64", (-1,)),
    TensorSpec(MASKS, "UINT8", (-1, -1, -1)),
    TensorSpec(HAS_MASK, "BOOL", (-1,)),
    TensorSpec(MASK_CARRIED, "BOOL", (-1,)),
)
"""Left, top, right and bottom in pixels of the picture that was sent; probabilities of masks as 0..255, relative to the box.
The masks and what follows them may be missing."""
NEEDED = (BOXES, SCORES, CLASSES)

SCORE_THRESHOLD, CLASS_IDS, MAX_INSTANCES, WITH_MASKS = "score_threshold", "class_ids", "max_instances", "masks"
LABELS, DEFAULT_CLASSES, INPUT_SIZE = "labels", "default_classes", "input_size"
MOST_PIXELS = 8192 * 4320
"""Of a larger picture no detector sees more, and its bytes would be what somebody attacks with."""
_MOST_CELLS = 1024
_MOST_CLASS = 2.0**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which objects of a picture are wanted; what stands beside a request. A server that knows nothing of it gives all."""

    score_threshold: float = 0.0
    """Least score, 0..1."""
    class_ids: frozenset[int] | None = None
    """None for all."""
    max_instances: int | None = None
    """Best scores first; None for all."""
    masks: bool = True

    def to_parameters(self) -> dict[str, Parameter]:
        """As parameters of a request."""
        parameters: dict[str, Parameter] = {SCORE_THRESHOLD: float(self.score_threshold), WITH_MASKS: self.masks}
        if self.class_ids is not None:
            parameters[CLASS_IDS] = ",".join(map(str, sorted(self.class_ids)))
        if self.max_instances is not None:
            parameters[MAX_INSTANCES] = self.max_instances
        return parameters

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Parameter]) -> Wish:
        """Raises ``BadMessage`` for values that are none."""
        score, masks = parameters.get(SCORE_THRESHOLD, 0.0), parameters.get(WITH_MASKS, True)
        if isinstance(score, bool | str) or not 0.0 <= score <= 1.0:
            raise BadMessage(f"{SCORE_THRESHOLD}: expected a number within 0..1, got {score!r:.20}")
        if not isinstance(masks, bool):
            raise BadMessage(f"{WITH_MASKS}: expected true or false, got {masks!r:.20}")
        ids, most = parameters.get(CLASS_IDS), parameters.get(MAX_INSTANCES)
        if most is not None and (type(most) is not int or most < 1):
            raise BadMessage(f"{MAX_INSTANCES}: expected a whole number from 1 on, got {most!r:.20}")
        try:
            numbers = None if ids is None else frozenset(int(word) for word in str(ids).split(",") if word.strip())
        except ValueError as error:
            raise BadMessage(f"{CLASS_IDS}: expected numbers with commas between them, got {ids!r:.20}") from error
        return cls(score_threshold=score, class_ids=numbers, max_instances=most, masks=masks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a server tells of its detector beside inputs and outputs, as texts by name; each may be missing."""

    labels: Mapping[int, str] | None = None
    """Class names by id: JSON, an object, or a list from id 0 on."""
    default_classes: Collection[str] | None = None
    """What is shown where no classes are asked for: JSON, a list."""
    input_size: tuple[int, int] | None = None
    """Width and height in pixels of the largest useful picture: JSON, a list."""

    def to_properties(self) -> dict[str, str]:
        """As a model's properties."""
        values: dict[str, Any] = {LABELS: None if self.labels is None else {str(k): v for k, v in self.labels.items()}}
        values[DEFAULT_CLASSES] = None if self.default_classes is None else sorted(self.default_classes)
        values[INPUT_SIZE] = self.input_size
        return {name: json.dumps(value, ensure_ascii=False) for name, value in values.items() if value is not None}

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> Told:
        """Raises ``BadMessage`` naming the property that is not as it should be."""
        labels = _parsed(properties, LABELS)
        if isinstance(labels, list):
            labels = {str(number): name for number, name in enumerate(labels)}
        if labels is not None and not (
            isinstance(labels, dict) and all(_is_number(key) and isinstance(name, str) for key, name in labels.items())
        ):
            raise BadMessage(f"{LABELS}: expected class names by number")
        classes = _parsed(properties, DEFAULT_CLASSES)
        if classes is not None and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
            raise BadMessage(f"{DEFAULT_CLASSES}: expected a list of names")
        size = _parsed(properties, INPUT_SIZE)
        if size is not None and not (isinstance(size, list) and len(size) == 2 and all(type(s) is int and s > 0 for s in size)):
            raise BadMessage(f"{INPUT_SIZE}: expected width and height in pixels")
        return cls(
            labels=None if labels is None else {int(key): name for key, name in labels.items()},
            default_classes=None if classes is None else frozenset(classes),
            input_size=None if size is None else (size[0], size[1]),
        )


def to_tensors(found: Instances, wanted: Sequence[str] = ()) -> list[Tensor]:
    """The outputs, or those that are ``wanted``, of what a detector found. Raises ``BadMessage`` for one that there is not."""
    arrays: dict[str, NDArray[np.generic]] = {BOXES: found.boxes_xyxy, SCORES: found.scores, CLASSES: found.class_ids}
    masks = np.zeros((len(found), 0, 0), np.float32) if found.masks is None else found.masks
    sane = np.clip(np.nan_to_num(masks), np.float32(0.0), np.float32(1.0))
    arrays[MASKS] = np.rint(sane * np.float32(255.0)).astype(np.uint8)
    arrays[HAS_MASK], arrays[MASK_CARRIED] = found.has_mask, found.mask_carried
    if strange := set(wanted) - set(arrays):
        raise BadMessage(f"there is no output {min(strange)[:40]!r}; there are {', '.join(arrays)}")
    return [Tensor.of(name, array) for name, array in arrays.items() if not wanted or name in wanted]


def from_tensors(outputs: Sequence[Tensor], score_threshold: float = 0.0) -> Instances:
    """What a server found, best scores first, of ``score_threshold`` and more. A leading 1 of each shape may be missing.

    Numbers that mean nothing stay, as of every detector. Raises ``BadMessage`` naming the output that is not as it should be.
    """
    given = {tensor.name: tensor for tensor in outputs}
    for name in NEEDED:
        if name not in given:
            raise BadMessage(f"the output {name} is missing")
    boxes = _array(given[BOXES], 2)
    count = len(boxes)
    scores, classes = (_array(given[name], 1) for name in (SCORES, CLASSES))
    _expect(BOXES, boxes, (count, 4))
    _expect(SCORES, scores, (count,))
    _expect(CLASSES, classes, (count,))
    if not (np.abs(classes.astype(np.float64)) < _MOST_CLASS).all():
        raise BadMessage(f"{CLASSES}: expected whole numbers below {_MOST_CLASS:g}")
    masks = _masks(given[MASKS], count) if MASKS in given and count else None
    marks = {name: _array(given[name], 1) for name in (HAS_MASK, MASK_CARRIED) if name in given and masks is not None}
    for name, values in marks.items():
        _expect(name, values, (count,))
    found = Instances(
        boxes_xyxy=_floats(boxes),
        scores=_floats(scores),
        class_ids=np.rint(classes).astype(np.int64),
        masks=masks,
        has_mask=marks[HAS_MASK] != 0 if HAS_MASK in marks else None,  # type: ignore[arg-type]  # None is the default
        mask_carried=marks[MASK_CARRIED] != 0 if MASK_CARRIED in marks else None,  # type: ignore[arg-type]  # as above
    )
    keep = np.flatnonzero(~(found.scores < score_threshold))
    return found[keep[np.argsort(-found.scores[keep], kind="stable")]]


def _masks(tensor: Tensor, count: int) -> NDArray[np.float32] | None:
    masks = _array(tensor, 3)
    if masks.size == 0:
        return None
    side = masks.shape[1]
    if side > _MOST_CELLS:
        raise BadMessage(f"{MASKS}: expected {_MOST_CELLS} cells a side at most, got {side}")
    _expect(MASKS, masks, (count, side, side))
    most = 255.0 if masks.dtype == np.uint8 else 1.0
    return _floats(masks) / np.float32(most)


def _floats(array: NDArray[np.generic]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # infinity means as little
        return array.astype(np.float32)


def _array(tensor: Tensor, rank: int) -> NDArray[np.generic]:
    array = tensor.array()
    if array.ndim == rank + 1 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != rank:
        raise BadMessage(f"{tensor.name}: expected {rank} dimensions, got shape {list(array.shape)}")
    return array


def _expect(name: str, array: NDArray[np.generic], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise BadMessage(f"{name}: expected shape {list(shape)}, got {list(array.shape)}")


def _parsed(properties: Mapping[str, str], name: str) -> Any:
    if name not in properties:
        return None
    try:
        return json.loads(properties[name])
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"{name}: expected JSON") from error


def _is_number(text: str) -> bool:
    return re.fullmatch("-?[0-9]{1,18}", text) is not None
