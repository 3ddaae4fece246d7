"""Detectors in TensorFlow's SavedModel format, from TF Hub or from a folder: Mask R-CNN and its family."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detectors import hub_cache, saved_model
from streamer.detectors.box_masks import box_masks
from streamer.detectors.device import AUTO, choose
from streamer.detectors.device import check as check_device
from streamer.detectors.handles import is_handle
from streamer.detectors.hub_archive import MODEL_FILE
from streamer.detectors.inner_size import InnerSize
from streamer.detectors.label_file import read_labels
from streamer.detectors.labels import COCO, misfit
from streamer.detectors.model_opening import BOXES, CLASSES, COUNT, MASKS, SCORES, open_model
from streamer.detectors.networks import BoxAnswers, Network
from streamer.detectors.other_files import by_members
from streamer.detectors.picture import refuse_other_than_rgb
from streamer.detectors.precision import FULL
from streamer.detectors.precision import choose as choose_precision
from streamer.errors import DetectorContractError, DetectorError, DetectorUnavailable, ModelRefused
from streamer.instances import Instances
from streamer.redact import redact

log = logging.getLogger(__name__)

SHAPES = {COUNT: "[1]", BOXES: "[1, N, 4]", CLASSES: "[1, N]", SCORES: "[1, N]", MASKS: "[1, N, M, M]"}

DEFAULT_INPUT_SIZE = (1024, 1024)
"""Width and height in pixels of the largest picture that is handed to a network of which nothing else is known."""
MOST_OF_A_PICTURE = 4.0
"""Boxes that all reach further, in pictures, are in pixels."""
LARGEST_CLASS_ID = 1_000_000
HIGHEST_SCORE = 1.01
"""1, and what sums of 16 bits make of it."""
_PATTERN = frozenset("*?[\\")
"""What TensorFlow takes for a pattern in the path of a model's weights."""
Wanted = Callable[[Instances], NDArray[np.intp]]
"""Of N instances the rows that are wanted, in their order."""
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
        precision: str = FULL,
    ) -> None:
        """Load it from a SavedModel folder or, for a Hub handle, from the cache, downloading it when it is not there.

        ``threads`` is for TensorFlow as a whole, and only before its first use in the process; ``device``, which holds for the
        process, is ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; so does ``precision``, ``full`` or ``mixed``. Raises
        ``DetectorUnavailable`` when the model cannot be had or loaded, and of that ``ModelRefused`` when it is another kind.
        """
        self.labels: Mapping[int, str] = COCO if labels_path is None else read_labels(labels_path)
        self._score_threshold = score_threshold
        self.answer_bytes = 0
        """What the last call copied out of the model."""
        self._class_ids_seen: set[int] = set()
        self._misfit_told = False
        self._lock = threading.Lock()
        named = is_handle(model)
        self.name = name or (redact(model) if named else Path(model).resolve().name)
        # What is missing is said, or fetched, before TensorFlow takes its seconds to load; loading compares the checksums.
        folder = hub_cache.download(model, read=False) if named else _checked(Path(model))
        check_device(device)
        self._tf = saved_model.quiet_tensorflow(threads)
        chosen = choose(self._tf, device)
        self.device = chosen.name
        """Where it runs: ``CPU``, or the GPU's name."""
        self.device_told = str(chosen)
        """The same, and why."""
        try:
            network, known = open_model(self._tf, model, folder, self.name, self.device)
        except self._tf.errors.ResourceExhaustedError as error:
            raise saved_model.out_of_memory(self.name, error) from error
        # Only now: that a network may be cut was proved to the last bits.
        choose_precision(self._tf, precision, self.device)
        self.device_told += "" if precision == FULL else f", {precision} precision"
        self._network: Network | None = network
        self.contract = known.contract
        self._fixed_size = known.fixed_size
        inner = known.inner or InnerSize(*DEFAULT_INPUT_SIZE, stretched=False)
        self.input_size: tuple[int, int] | None = known.fixed_size or (inner[:2] if inner.stretched else None)
        self._fitted_into = inner[:2]
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
        if MASKS in known.contract and known.whole_because:
            level = logging.WARNING if self.slow else logging.INFO
            log.log(level, "%s: masks are computed for all of its detections, since %s", self.name, known.whole_because)

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        """Find objects in an RGB picture, uint8 (height, width, 3); boxes in pixels of that very array."""
        return self.detect_wanted(image, lambda found: np.arange(len(found)))

    def detect_wanted(self, image: NDArray[np.uint8], wanted: Wanted, *, masks: bool = True) -> Instances:
        """See ``stages.DetectsWanted``."""
        refuse_other_than_rgb(image)
        height, width = image.shape[:2]
        useful = self._useful(width, height)
        if useful != (width, height):
            image = np.asarray(cv2.resize(image, useful, interpolation=cv2.INTER_AREA), np.uint8)
        with self._lock:
            network = self._network
            if network is None:
                raise DetectorUnavailable(f"the detector {self.name} is closed", hint="make a new one")
            try:
                answers = network.boxes(self._tf.constant(image[None]))
                self.answer_bytes = sum(values.nbytes for values in answers.outputs.values())
                found, rows = to_boxes(answers.outputs, width, height, self._score_threshold, self.name)
                self._tell_misfit(found.class_ids)
                picked = wanted(found)
                found, rows = found[picked], rows[picked]
                return self._with_masks(network, answers, found, rows, useful) if masks and network.has_masks else found
            except self._tf.errors.ResourceExhaustedError as error:
                raise saved_model.out_of_memory(self.name, error) from error
            except self._tf.errors.OpError as error:
                size = f"{image.shape[1]}x{image.shape[0]}"
                raise DetectorError(
                    f"the model {self.name} failed on a picture of {size}: {saved_model.first_line(error)}",
                    hint="the model or its memory is at fault, not the picture",
                ) from error

    def warm_up(self) -> None:
        """Run it on a black picture: the first call builds the graph and may take a minute."""
        width, height = self.input_size or self._fitted_into
        self.detect(np.zeros((height, width, 3), np.uint8))

    def close(self) -> None:
        """Let go of the model, without waiting for a call that is under way: on a CPU it may take half a minute."""
        self._network = None

    def _useful(self, width: int, height: int) -> tuple[int, int]:
        """The size at which a picture of ``width`` x ``height`` is handed over: no more than the network works at.

        One that stretches pictures is left to say so by ``input_size``: the caller scales them with the conversion to RGB.
        """
        if self.input_size is not None:
            return self._fixed_size or (width, height)
        scale = min(1.0, self._fitted_into[0] / width, self._fitted_into[1] / height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _with_masks(
        self, network: Network, answers: BoxAnswers, found: Instances, rows: NDArray[np.intp], seen: tuple[int, int]
    ) -> Instances:
        if not len(rows):
            return found
        answer = network.masks(answers, rows)
        self.answer_bytes += answer.nbytes
        boxes = _floats(self.name, answers.outputs[BOXES], 2, BOXES)[rows][:, [1, 0, 3, 2]]
        return replace(found, masks=to_masks(answer, boxes, seen, self.name), has_mask=np.ones(len(rows), bool))

    def _tell_misfit(self, class_ids: NDArray[np.int64]) -> None:
        """Say once that the labels are of another model: names would be wrong in silence."""
        self._class_ids_seen.update(class_ids.tolist())
        told = misfit(self._class_ids_seen, self.labels)
        if told and not self._misfit_told:
            self._misfit_told = True
            log.warning("%s: %s", self.name, told)


def to_boxes(
    answers: Mapping[str, NDArray[np.generic]], width: int, height: int, score_threshold: float, name: str
) -> tuple[Instances, NDArray[np.intp]]:
    """Instances in pixels of a ``width`` x ``height`` picture, those of ``score_threshold`` and more, and their rows (N,).

    A leading 1 of each output may be missing. Raises ``DetectorContractError`` naming expected and actual shapes.
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
    n = float(count.reshape(-1)[0])
    if not (n.is_integer() and 0 <= n <= rows):
        raise DetectorContractError(f"the model {name}: {COUNT}: expected a whole number within 0..{rows}, got {n:g}")
    # Numbers that are none stay: `detect_in` leaves them out, and says so.
    keep = np.flatnonzero(~(scores[: int(n)] < score_threshold))
    keep = keep[np.argsort(-scores[keep], kind="stable")]
    if len(keep) and (boxes_yxyx[keep].max(axis=1) > MOST_OF_A_PICTURE).all():
        most = boxes_yxyx[keep].max()
        raise DetectorContractError(f"the model {name}: {BOXES}: expected fractions 0..1 of the picture, got {most:g}")
    boxes_xyxy = boxes_yxyx[:, [1, 0, 3, 2]] * np.array([width, height, width, height], np.float32)
    if not (np.abs(classes[keep]) <= LARGEST_CLASS_ID).all():  # nor NaN
        raise DetectorContractError(f"the model {name}: {CLASSES}: expected ids, got {classes[keep].max():g}")
    if (highest := scores[keep][np.isfinite(scores[keep])].max(initial=0.0)) > HIGHEST_SCORE:
        raise DetectorContractError(f"the model {name}: {SCORES}: expected 0..1, got {highest:g}")
    keep = keep[~(boxes_xyxy[keep, 2:] <= boxes_xyxy[keep, :2]).any(axis=1)]
    class_ids = np.rint(classes[keep]).astype(np.int64)
    return Instances(boxes_xyxy=boxes_xyxy[keep], scores=scores[keep], class_ids=class_ids), keep


def to_masks(
    answer: NDArray[np.generic], boxes: NDArray[np.floating], picture: tuple[int, int], name: str
) -> NDArray[np.float32]:
    """Masks (N, M, M) from the model's output for ``boxes`` (N, 4): left, top, right, bottom as fractions of the picture.

    ``picture`` is the width and height of what the model saw. Raises ``DetectorContractError`` for other shapes.
    """
    masks = _unbatched(name, answer, 3, MASKS)
    fits = len(masks) == len(boxes) and masks.size
    kept = box_masks(masks, boxes, picture, name) if fits else None
    if kept is None:
        raise _unexpected(name, MASKS, f"[1, {len(boxes)}, M, M] or [1, {len(boxes)}, height, width] of the picture", answer)
    return kept


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
    """Raise ``ModelRefused`` for a folder that holds no SavedModel."""
    if not any((folder / file).is_file() for file in (MODEL_FILE, "saved_model.pbtxt")):
        if (other := by_members(folder)) is not None:
            raise ModelRefused(f"{folder} is no SavedModel: it is {other.what}", hint=other.hint)
        raise ModelRefused(
            f"{folder} is no SavedModel: it holds no {MODEL_FILE}",
            hint="name the folder that holds saved_model.pb and variables/",
        )
    if odd := sorted(_PATTERN.intersection(str(folder.absolute()))):
        raise ModelRefused(
            f"the path of {folder} holds {' and '.join(odd)}, which TensorFlow takes for a pattern", hint="rename the folder"
        )


def _checked(folder: Path) -> Path:
    """The folder, unless it is no whole SavedModel: refused early, before TensorFlow is imported."""
    check_folder(folder)
    if wrong := hub_cache.damage(folder):
        raise DetectorUnavailable(f"the model in {folder} is damaged: {wrong}", hint="fetch it again")
    return folder
