"""What a model on a server takes and gives, read from its metadata: streamer's own contract, or that of Mask R-CNN."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.hub import to_boxes, to_masks
from streamer.detectors.model_opening import BOXES, CLASSES, COUNT, MASKS, SCORES
from streamer.errors import DetectorContractError
from streamer.instances import Instances
from streamer.kserve import contract
from streamer.kserve.messages import ModelMetadata, TensorSpec
from streamer.kserve.tensors import BYTES, Tensor

MASK_RCNN_OUTPUTS = (COUNT, BOXES, CLASSES, SCORES)
_HINT = "docs/remote.md says what a model has to take and give"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteModel:
    """How a model is asked, and how its answer is read."""

    image: TensorSpec | None
    """The input for a picture as it is; None where there is none."""
    jpeg: TensorSpec | None
    """The input for a JPEG; None where there is none."""
    outputs: tuple[str, ...]
    """The outputs that are asked for."""
    mask_outputs: tuple[str, ...]
    """Those of them that only masks need."""
    read: Callable[[Sequence[Tensor], tuple[int, int], float, bool], Instances]
    """What is in an answer about a picture of (width, height), from a score on, with masks or without. Raises ``BadMessage`` or
    ``DetectorContractError``."""
    family: str

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Width and height in pixels where the model takes pictures of one size only."""
        if self.image is None:
            return None
        height, width = self.image.shape[-3:-1]
        return (width, height) if width > 0 and height > 0 else None


def model_of(metadata: ModelMetadata, name: str) -> RemoteModel:
    """How the model of that name is asked. Raises ``DetectorContractError`` in one line that names what is missing."""
    inputs, outputs = ({spec.name: spec for spec in specs} for specs in (metadata.inputs, metadata.outputs))
    if COUNT in outputs or BOXES in outputs:
        return _mask_rcnn(metadata, inputs, outputs, name)
    missing = [wanted for wanted in contract.NEEDED if wanted not in outputs]
    image, jpeg = inputs.get(contract.IMAGE), inputs.get(contract.IMAGE_JPEG)
    if image is not None and not _is_picture(image):
        raise _unfit(name, f"its input {image.name} is {image}, expected UINT8 [-1, -1, 3]")
    if jpeg is not None and jpeg.datatype != BYTES:
        raise _unfit(name, f"its input {jpeg.name} is {jpeg}, expected BYTES [1]")
    if image is None and jpeg is None:
        missing.insert(0, f"{contract.IMAGE} or {contract.IMAGE_JPEG} among its inputs")
    if missing:
        has = f"inputs {_told(metadata.inputs)}, outputs {_told(metadata.outputs)}"
        raise _unfit(name, f"there is no {', '.join(missing)}; it has {has}")
    for wanted in contract.NEEDED:
        _expect_numbers(name, outputs[wanted])
    asked = tuple(spec.name for spec in contract.OUTPUTS if spec.name in outputs)

    def read(tensors: Sequence[Tensor], _size: tuple[int, int], least_score: float, masks: bool) -> Instances:
        used = tensors if masks else [tensor for tensor in tensors if tensor.name in contract.NEEDED]
        return contract.from_tensors(used, least_score)

    return RemoteModel(
        image=image,
        jpeg=jpeg,
        outputs=asked,
        mask_outputs=tuple(out for out in asked if out not in contract.NEEDED),
        read=read,
        family="streamer",
    )


def _mask_rcnn(
    metadata: ModelMetadata, inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec], name: str
) -> RemoteModel:
    """The outputs of the TF Object Detection API; its one input has any name."""
    missing = [wanted for wanted in MASK_RCNN_OUTPUTS if wanted not in outputs]
    if missing:
        raise _unfit(name, f"there is no {', '.join(missing)} among its outputs {_told(metadata.outputs)}")
    (image, *more) = inputs.values() or (None,)
    if image is None or more or not _is_picture(image):
        raise _unfit(name, f"expected one input, UINT8 [1, -1, -1, 3], got {_told(metadata.inputs)}")
    has_masks = MASKS in outputs

    def read(tensors: Sequence[Tensor], size: tuple[int, int], least_score: float, masks: bool) -> Instances:
        given = {tensor.name: tensor for tensor in tensors}
        if absent := [wanted for wanted in MASK_RCNN_OUTPUTS if wanted not in given]:
            raise DetectorContractError(f"the model {name}: its answer has no {', '.join(absent)}")
        arrays: dict[str, NDArray[np.generic]] = {key: given[key].array() for key in MASK_RCNN_OUTPUTS}
        found, rows = to_boxes(arrays, *size, least_score, name)
        if not masks or not len(found) or MASKS not in given:
            return found
        boxes = arrays[BOXES].reshape(-1, 4)[rows][:, [1, 0, 3, 2]].astype(np.float32)
        all_masks = given[MASKS].array()
        of_rows = all_masks[:, rows] if all_masks.ndim == 4 else all_masks[rows] if all_masks.ndim == 3 else all_masks
        return Instances(
            boxes_xyxy=found.boxes_xyxy,
            scores=found.scores,
            class_ids=found.class_ids,
            masks=to_masks(of_rows, boxes, size, name),
        )

    return RemoteModel(
        image=image,
        jpeg=None,
        outputs=(*MASK_RCNN_OUTPUTS, *((MASKS,) if has_masks else ())),
        mask_outputs=(MASKS,) if has_masks else (),
        read=read,
        family="TF Object Detection API",
    )


def _is_picture(spec: TensorSpec) -> bool:
    """Whether it is (height, width, 3), with or without a batch in front of it."""
    if spec.datatype != "UINT8" or len(spec.shape) not in (3, 4):
        return False
    *batch, height, width, channels = spec.shape
    return batch in ([], [1], [-1]) and channels in (3, -1) and height * width <= contract.MOST_PIXELS


def _expect_numbers(name: str, spec: TensorSpec) -> None:
    if spec.datatype == BYTES:
        raise _unfit(name, f"its output {spec.name} is {spec}, expected numbers")


def _told(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name[:40]} {spec}" for spec in specs[:12]) or "none"


def _unfit(name: str, why: str) -> DetectorContractError:
    return DetectorContractError(f"the model {name} is no detector of instances: {why}", hint=_HINT)
