"""Detectors in TensorFlow's SavedModel format, from TF Hub or from a folder: Mask R-CNN and its family."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detectors import hub_cache, saved_model
from streamer.detectors.box_masks import box_masks
from streamer.detectors.device import AUTO, choose
from streamer.detectors.device import check as check_device
from streamer.detectors.hub_archive import MODEL_FILE
from streamer.detectors.label_file import read_labels
from streamer.detectors.labels import COCO, misfit
from streamer.errors import DetectorContractError, DetectorError, DetectorUnavailable
from streamer.instances import Instances
from streamer.redact import redact

log = logging.getLogger(__name__)

BOXES, CLASSES, SCORES, COUNT, MASKS = (
    "detection_boxes",
    "detection_classes",
    "detection_scores",
    "num_detections",
    "detection_masks",
)
REQUIRED = (COUNT, BOXES, CLASSES, SCORES)
SHAPES = {COUNT: "[1]", BOXES: "[1, N, 4]", CLASSES: "[1, N]", SCORES: "[1, N]", MASKS: "[1, N, M, M]"}

DEFAULT_INPUT_SIZE = (1024, 1024)
"""Width and height in pixels: this family stretches whatever it is given to about that size."""
MOST_OF_A_PICTURE = 4.0
"""Boxes that all reach further, in pictures, are in pixels."""
BIG_BYTES = 50_000_000
"""A model of more bytes than this takes seconds a frame on a CPU."""


class HubDetector:
    """A SavedModel of the TF Object Detection API's contract. Calls from any one thread at a time.

    Of the model's outputs only the five that matter are asked for: Mask R-CNN computes and copies tens of megabytes more.
    Without ``detection_masks`` it is a detector of boxes.
    """

    def __init__(
        self,
        model: str,
        *,
        name: str | None = None,
        score_threshold: float = 0.5,
        threads: int | None = None,
        labels_path: Path | None = None,
        device: str = AUTO,
    ) -> None:
        """Load it from a SavedModel folder or, for a Hub handle, from the cache, downloading it when it is not there.

        ``threads`` is for TensorFlow as a whole, and only before its first use in the process; ``device``, which holds for the
        process, is ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. Raises
        ``DetectorUnavailable`` when the model cannot be had or loaded, ``DetectorContractError`` when it is another kind.
        """
        self.labels: Mapping[int, str] = COCO if labels_path is None else read_labels(labels_path)
        self._score_threshold = score_threshold
        self.answer_bytes = 0
        """What the last call copied out of the model."""
        self._class_ids_seen: set[int] = set()
        self._misfit_told = False
        self._lock = threading.Lock()
        is_handle = saved_model.is_handle(model)
        self.name = name or (redact(model) if is_handle else Path(model).resolve().name)
        # What is missing is said, or fetched, before TensorFlow takes its seconds to load; loading compares the checksums.
        folder = hub_cache.download(model, read=False) if is_handle else _checked(Path(model))
        check_device(device)
        self._tf = saved_model.quiet_tensorflow(threads)
        chosen = choose(self._tf, device)
        self.device = chosen.name
        """Where it runs: ``CPU``, or the GPU's name."""
        self.device_told = str(chosen)
        """The same, and why."""
        signature, self._keep_alive = saved_model.load(self._tf, model)
        self._call, self._fixed_size, self.contract = _five_outputs(self._tf, signature, self.name)
        self.input_size: tuple[int, int] | None = self._fixed_size or DEFAULT_INPUT_SIZE
        size = hub_cache.size_bytes(folder)
        self.slow = self.device == "CPU" and size > BIG_BYTES
        """Whether a frame takes it seconds."""
        if self.slow:
            log.warning(
                "%s (%d MB) runs on the %s: expect many seconds for each frame; use a GPU, or the detector nanodet",
                self.name,
                size // 1_000_000,
                self.device_told,
            )
        else:
            log.info("%s runs on the %s", self.name, self.device_told)

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        """Find objects in an RGB picture, uint8 (height, width, 3); boxes in pixels of that very array."""
        # The loaded object would cast a float picture to black, and take the first picture of a batch, without a word.
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise DetectorContractError(
                f"expected an RGB picture, uint8 (height, width, 3), got {image.dtype} {image.shape}",
                hint="hand over the array as Frame.rgb() gives it",
            )
        answers = self._run(image)
        seen = self._fixed_size or (image.shape[1], image.shape[0])
        found = to_instances(answers, image.shape[1], image.shape[0], self._score_threshold, self.name, seen)
        self._tell_misfit(found.class_ids)
        return found

    def warm_up(self) -> None:
        """Run it on a black picture: the first call builds the graph and may take a minute."""
        width, height = self.input_size or DEFAULT_INPUT_SIZE
        self.detect(np.zeros((height, width, 3), np.uint8))

    def close(self) -> None:
        """Let go of the model, without waiting for a call that is under way: on a CPU it may take half a minute."""
        self._call = self._keep_alive = None

    def _tell_misfit(self, class_ids: NDArray[np.int64]) -> None:
        """Say once that the labels are of another model: names would be wrong in silence."""
        self._class_ids_seen.update(class_ids.tolist())
        told = misfit(self._class_ids_seen, self.labels)
        if told and not self._misfit_told:
            self._misfit_told = True
            log.warning("%s: %s", self.name, told)

    def _run(self, image: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        if self._fixed_size is not None and image.shape[1::-1] != self._fixed_size:
            image = np.asarray(cv2.resize(image, self._fixed_size, interpolation=cv2.INTER_AREA), np.uint8)
        with self._lock:
            call = self._call
            if call is None:
                raise DetectorUnavailable(f"the detector {self.name} is closed", hint="make a new one")
            try:
                answers = call(self._tf.constant(image[None]))
            except self._tf.errors.ResourceExhaustedError as error:
                raise saved_model.out_of_memory(self.name, error) from error
            except self._tf.errors.OpError as error:
                size = f"{image.shape[1]}x{image.shape[0]}"
                raise DetectorError(
                    f"the model {self.name} failed on a picture of {size}: {saved_model.first_line(error)}",
                    hint="the model or its memory is at fault, not the picture",
                ) from error
        copied = {key: value.numpy() for key, value in answers.items()}
        self.answer_bytes = sum(values.nbytes for values in copied.values())
        return copied


def to_instances(
    answers: Mapping[str, NDArray[np.generic]],
    width: int,
    height: int,
    score_threshold: float,
    name: str,
    seen: tuple[int, int] | None = None,
) -> Instances:
    """Instances in pixels of a ``width`` x ``height`` picture from the five outputs, those of ``score_threshold`` and more.

    ``seen`` is the width and height of what the model saw, where that is another size. A leading 1 of each output may be
    missing. Raises ``DetectorContractError`` naming expected and actual shapes.
    """
    count = answers[COUNT]
    if count.size != 1:
        raise _unexpected(name, COUNT, "[1]", count)
    boxes_yxyx = _floats(name, answers[BOXES], 2, BOXES)
    rows = len(boxes_yxyx)
    if boxes_yxyx.shape != (rows, 4):
        raise _unexpected(name, BOXES, "[1, N, 4] or [N, 4]", answers[BOXES])
    scores, classes = (_floats(name, answers[key], 1, key) for key in (SCORES, CLASSES))
    for key, values in ((SCORES, scores), (CLASSES, classes)):
        if values.shape != (rows,):
            raise _unexpected(name, key, f"[1, {rows}]", answers[key])
    masks = _unbatched(name, answers[MASKS], 3, MASKS) if MASKS in answers else None
    if masks is not None and len(masks) != rows:
        raise _unexpected(name, MASKS, f"[1, {rows}, M, M]", answers[MASKS])
    n = float(count.reshape(-1)[0])
    if not (n.is_integer() and 0 <= n <= rows):
        raise DetectorContractError(f"the model {name}: {COUNT}: expected a whole number within 0..{rows}, got {n:g}")
    # Numbers that are none stay: `detect_in` leaves them out, and says so.
    keep = np.flatnonzero(~(scores[: int(n)] < score_threshold))
    keep = keep[np.argsort(-scores[keep], kind="stable")]
    boxes = boxes_yxyx[keep][:, [1, 0, 3, 2]]
    if len(boxes) and (boxes.max(axis=1) > MOST_OF_A_PICTURE).all():
        raise DetectorContractError(f"the model {name}: {BOXES}: expected fractions 0..1 of the picture, got {boxes.max():g}")
    kept_masks = None if masks is None else box_masks(masks[keep], boxes, seen or (width, height), name)
    if masks is not None and kept_masks is None:
        raise _unexpected(name, MASKS, f"[1, {rows}, M, M] or [1, {rows}, height, width] of the picture", answers[MASKS])
    boxes_xyxy = boxes * np.array([width, height, width, height], np.float32)
    if not np.isfinite(classes[keep]).all():
        raise DetectorContractError(f"the model {name}: {CLASSES}: expected finite numbers, got NaN or infinity")
    solid = np.flatnonzero(~(boxes_xyxy[:, 2:] <= boxes_xyxy[:, :2]).any(axis=1))
    class_ids = np.rint(classes[keep]).astype(np.int64)
    return Instances(boxes_xyxy=boxes_xyxy, scores=scores[keep], class_ids=class_ids, masks=kept_masks)[solid]


def _floats(name: str, values: NDArray[np.generic], rank: int, key: str) -> NDArray[np.float32]:
    return _unbatched(name, values, rank, key).astype(np.float32, copy=False)


def _unbatched(name: str, values: NDArray[np.generic], rank: int, key: str) -> NDArray[np.generic]:
    if values.ndim == rank + 1 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != rank:
        raise _unexpected(name, key, SHAPES[key], values)
    return values


def _unexpected(name: str, key: str, expected: str, found: NDArray[np.generic]) -> DetectorContractError:
    return DetectorContractError(f"the model {name}: {key}: expected shape {expected}, got {list(found.shape)}")


def check_folder(folder: Path) -> None:
    """Raise ``DetectorUnavailable`` for a folder that holds no SavedModel."""
    if not any((folder / file).is_file() for file in (MODEL_FILE, "saved_model.pbtxt")):
        raise DetectorUnavailable(
            f"{folder} is no SavedModel: it holds no {MODEL_FILE}",
            hint="name the folder that holds saved_model.pb and variables/",
        )


def _checked(folder: Path) -> Path:
    """The folder, unless it is no whole SavedModel: refused early, before TensorFlow is imported."""
    check_folder(folder)
    if wrong := hub_cache.damage(folder):
        raise DetectorUnavailable(f"the model in {folder} is damaged: {wrong}", hint="fetch it again")
    return folder


def _five_outputs(tf: Any, signature: Any, name: str) -> tuple[Any, tuple[int, int] | None, dict[str, str]]:
    """A function of the picture that answers with the needed outputs alone; its fixed (width, height) or None; the contract.

    Traced anew around the signature: TensorFlow inlines the signature into it and drops what leads to no output asked for.
    """
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1:
        raise DetectorContractError(f"the model {name}: expected one input, the picture, got: {', '.join(inputs) or 'none'}")
    ((argument, spec),) = inputs.items()
    shape = spec.shape.as_list() if spec.shape.rank is not None else [None] * 4
    if spec.dtype != tf.uint8 or len(shape) != 4 or shape[0] not in (None, 1) or shape[3] not in (None, 3):
        raise DetectorContractError(
            f"the model {name}: expected the input uint8 [1, height, width, 3], got {spec.dtype.name} {shape}",
            hint="export it with the input type image_tensor",
        )
    given = signature.structured_outputs
    missing = [key for key in REQUIRED if key not in given]
    if missing:
        raise DetectorContractError(
            f"the model {name} has no output {', '.join(missing)}; it has: {', '.join(sorted(given))}",
            hint="it must be a detector of the TF Object Detection API",
        )
    wanted = [key for key in (*REQUIRED, MASKS) if key in given]

    def five(picture: Any) -> dict[str, Any]:
        answers = signature(**{argument: picture})
        return {key: answers[key] for key in wanted}

    call = tf.function(five, autograph=False).get_concrete_function(tf.TensorSpec([1, *shape[1:3], 3], tf.uint8))
    contract = {argument: f"{spec.dtype.name} {shape}"}
    contract |= {key: f"{given[key].dtype.name} {_shape(given[key])}" for key in wanted}
    fixed = (shape[2], shape[1]) if shape[1] and shape[2] else None
    return call, fixed, contract


def _shape(spec: Any) -> str:
    return "?" if spec.shape.rank is None else str(spec.shape.as_list())
