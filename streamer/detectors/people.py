"""The built-in detector: people with their outlines, and boxes of 22 other classes, on a CPU through LiteRT."""

from __future__ import annotations

import hashlib
import math
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detectors import ssd
from streamer.errors import ConfigError, DetectorContractError, DetectorUnavailable
from streamer.instances import Instances

FOLDER = Path(__file__).parent.parent / "models" / "people"
BOXES_FILE = "object_detection_ssd_mobilenetv2_oidv4_fp16.tflite"
OUTLINES_FILE = "selfie_segmentation.tflite"
LABELS_FILE = "object_detection_oidv4_labelmap.txt"
SHA256 = {
    BOXES_FILE: "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6",
    OUTLINES_FILE: "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
    LABELS_FILE: "c148336a65f673013609a923fdcbdeec0f49df935045029c3746a3828a0e80e0",
}

PERSON = 4
BOXES_PX = 300
OUTLINE_PX = 256
MARGIN = 0.1
"""How far the crop for the outline reaches beyond the box, on each side, in box sizes."""
MASK_CELLS = 64
IOU_THRESHOLD = 0.5
CANDIDATES = 1000
"""Boxes at most that enter the suppression: a threshold near 0 would let all 44,000 in."""


def verified(name: str, folder: Path = FOLDER) -> bytes:
    """The content of one of the model's files. Raises ``DetectorUnavailable`` when it is missing or not what it was."""
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DetectorUnavailable(
            f"the weights {path} cannot be read: {error.strerror or error}", hint="install streamer again"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise DetectorUnavailable(
            f"the weights {path} have changed: expected sha256 {SHA256[name]}, found {found} ({len(content)} bytes)",
            hint="install streamer again",
        )
    return content


class PeopleDetector:
    """An SSD MobileNet v2 for the boxes of 23 Open Images classes, and a portrait segmenter for the outline of each person.

    Calls from any one thread at a time; a lock keeps others waiting. Persons have masks, other classes boxes only.
    """

    name = "people"
    input_size: tuple[int, int] | None = None

    def __init__(
        self,
        *,
        score_threshold: float = 0.4,
        threads: int | None = None,
        max_instances: int = 100,
        folder: Path = FOLDER,
    ) -> None:
        """``score_threshold`` is 0..1; ``threads`` is how many each network computes with.

        Raises ``ConfigError`` for values out of range and ``DetectorUnavailable`` when a file is missing or has changed.
        """
        if not 0.0 <= score_threshold <= 1.0:
            raise ConfigError(f"score_threshold must be within 0..1, got {score_threshold}", hint="0.4 is the default")
        if threads is not None and threads < 1:
            raise ConfigError(f"threads must be at least 1, got {threads}")
        self.threads = default_threads() if threads is None else threads
        self.labels: Mapping[int, str] = parse_labels(verified(LABELS_FILE, folder).decode())
        self.device = "CPU"
        self._score_threshold = score_threshold
        self._max_instances = max_instances
        self._anchors = ssd.anchors(BOXES_PX)
        self._lock = threading.Lock()
        self._boxes: Network | None = Network(verified(BOXES_FILE, folder), self.threads)
        self._outlines: Network | None = Network(verified(OUTLINES_FILE, folder), self.threads)

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        """Find objects in an RGB picture, uint8 (height, width, 3); boxes in pixels of that very array."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise DetectorContractError(
                f"expected an RGB picture, uint8 (height, width, 3), got {image.dtype} {image.shape}",
                hint="hand over the array as Frame.rgb() gives it",
            )
        with self._lock:
            boxes, outlines = self._boxes, self._outlines
            if boxes is None or outlines is None:
                raise DetectorUnavailable("the detector people is closed", hint="make a new one")
            found = self._find_boxes(boxes, image)
            persons = found.class_ids == PERSON
            if not persons.any():
                return found
            masks = np.zeros((len(found), MASK_CELLS, MASK_CELLS), np.float32)
            for row in np.flatnonzero(persons):
                masks[row] = outline(outlines, image, found.boxes_xyxy[row])
        return Instances(
            boxes_xyxy=found.boxes_xyxy, scores=found.scores, class_ids=found.class_ids, masks=masks, has_mask=persons
        )

    def warm_up(self) -> None:
        """Run both networks once."""
        with self._lock:
            for network in (self._boxes, self._outlines):
                if network is not None:
                    network.warm_up()

    def close(self) -> None:
        """Free both networks."""
        with self._lock:
            self._boxes = self._outlines = None

    def _find_boxes(self, network: Network, image: NDArray[np.uint8]) -> Instances:
        small = cv2.resize(image, (BOXES_PX, BOXES_PX), interpolation=cv2.INTER_LINEAR)
        encodings, logits = network(np.asarray(small, np.uint8), 1 / 127.5, -1.0)
        rows, columns = np.nonzero(logits[0, :, 1:] > logit(self._score_threshold))
        if len(rows) == 0:
            return Instances.empty()
        best = logits[0, rows, columns + 1]
        order = np.argsort(-best, kind="stable")[:CANDIDATES]
        rows, class_ids = rows[order], columns[order] + 1
        boxes_xyxy = ssd.decode(encodings[0, rows], self._anchors[rows])
        kept = ssd.suppress(boxes_xyxy, class_ids, IOU_THRESHOLD, self._max_instances)
        height, width = image.shape[:2]
        return Instances(
            boxes_xyxy=boxes_xyxy[kept] * np.array([width, height, width, height], np.float32),
            scores=1 / (1 + np.exp(-best[order[kept]])),
            class_ids=class_ids[kept],
        )


class Network:
    """One LiteRT model with one picture as its input."""

    def __init__(self, content: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter: Any = Interpreter(model_content=content, num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, picture: NDArray[np.uint8], scale: float, offset: float) -> list[NDArray[np.float32]]:
        """The outputs for ``picture * scale + offset``; the picture has the size of the input."""
        # Written into the network's own memory; the view must be gone before the call.
        view = self._interpreter.tensor(self._input)()[0]
        np.multiply(picture, np.float32(scale), out=view)
        if offset:
            view += np.float32(offset)
        del view
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]

    def warm_up(self) -> None:
        """Compute once on whatever the input holds."""
        self._interpreter.invoke()


def outline(network: Network, image: NDArray[np.uint8], box_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mask of the person in the box: probabilities, float32 (M, M), cells that divide the box evenly.

    The crop is the box grown by ``MARGIN`` a side. Where it reaches over the picture's edge, the edge's pixels are
    repeated: clipping it instead would stretch the person and move the mask.
    """
    left, top, right, bottom = (float(side) for side in box_xyxy)
    grown = 1 + 2 * MARGIN
    step_x, step_y = (right - left) * grown / OUTLINE_PX, (bottom - top) * grown / OUTLINE_PX
    start_x, start_y = left - (right - left) * MARGIN, top - (bottom - top) * MARGIN
    # Pixel centres lie at +0.5 in both grids (as in cv2.resize).
    to_picture = np.array([[step_x, 0, start_x + step_x / 2 - 0.5], [0, step_y, start_y + step_y / 2 - 0.5]])
    crop = cv2.warpAffine(
        image,
        to_picture,
        (OUTLINE_PX, OUTLINE_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    (probabilities,) = network(np.asarray(crop, np.uint8), 1 / 255, 0.0)
    return inner(probabilities[0, :, :, 0])


def inner(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """The part of the crop's probabilities (float32, square) that lies inside the box, as float32 (M, M)."""
    size = len(probabilities)
    step = size / (1 + 2 * MARGIN) / MASK_CELLS
    start = size * MARGIN / (1 + 2 * MARGIN) + step / 2 - 0.5
    to_crop = np.array([[step, 0, start], [0, step, start]])
    cells = cv2.warpAffine(probabilities, to_crop, (MASK_CELLS, MASK_CELLS), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(cells, np.float32)


def logit(probability: float) -> float:
    """The inverse of the sigmoid; infinite at 0 and 1."""
    if probability <= 0.0:
        return -math.inf
    return math.inf if probability >= 1.0 else math.log(probability / (1 - probability))


def parse_labels(text: str) -> dict[int, str]:
    """Class names by id from MediaPipe's label map: one name a line, line 0 is the background."""
    return {i: line.strip().lower() for i, line in enumerate(text.splitlines()) if i > 0 and line.strip()}


def default_threads() -> int:
    """Threads for each network: two where there are two cores."""
    return min(2, os.cpu_count() or 1)
