"""The built-in detector: people with their outlines, and boxes of 22 other classes, on a CPU through LiteRT."""

from __future__ import annotations

import hashlib
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detectors import ssd
from streamer.detectors.litert import Network
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
MASK_CELLS = 96
"""Finer than the box models' usual 28 or 33: the outlines of large people gain by it, beyond 96 nothing is to be seen."""
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


CONTRACT = {
    "image": "uint8 [height, width, 3]",
    "boxes_xyxy": "float32 [N, 4]",
    "scores": "float32 [N]",
    "class_ids": "int64 [N]",
    "masks": f"float32 [N, {MASK_CELLS}, {MASK_CELLS}]",
}


Compute = Callable[[NDArray[np.uint8], float], list[NDArray[np.float32]]]
"""A network: the outputs for a picture times a factor."""


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
        self.labels: Mapping[int, str] = known_labels(folder)
        self.device = f"CPU, {self.threads} thread{'s' if self.threads > 1 else ''}"
        self.contract: Mapping[str, str] = CONTRACT
        self._score_threshold = score_threshold
        self._max_instances = max_instances
        self._anchors = ssd.anchors(BOXES_PX)
        self._lock = threading.Lock()
        self._boxes: Network | None = Network(verified(BOXES_FILE, folder), self.threads, BOXES_FILE)
        self._outlines: Outlines | None = Outlines(verified(OUTLINES_FILE, folder), self.threads)

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
            masks[persons] = outlines(image, found.boxes_xyxy[persons])
            persons &= (masks > 0.5).any(axis=(1, 2))  # where no outline was found there is no mask to tell of
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
            if self._outlines is not None:
                self._outlines.close()
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


class Outlines:
    """The outline network, once per thread: persons side by side cost less than threads within one small network."""

    def __init__(self, content: bytes, threads: int) -> None:
        self._networks = [Network(content, 1, OUTLINES_FILE) for _ in range(threads)]
        self._helpers = ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="outlines")

    def __call__(self, image: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """The masks of the persons in boxes (N, 4): float32 (N, M, M)."""
        masks = np.zeros((len(boxes_xyxy), MASK_CELLS, MASK_CELLS), np.float32)
        left = deque(range(len(boxes_xyxy)))

        def work(network: Network) -> None:
            while True:
                try:
                    row = left.popleft()
                except IndexError:
                    return
                masks[row] = outline(network, image, boxes_xyxy[row])

        helping = [self._helpers.submit(work, network) for network in self._networks[1 : len(boxes_xyxy)]]
        try:
            work(self._networks[0])
        finally:
            wait(helping)
        for helper in helping:
            helper.result()
        return masks

    def warm_up(self) -> None:
        """Run each network once."""
        for network in self._networks:
            network.warm_up()

    def close(self) -> None:
        """End the threads."""
        self._helpers.shutdown()


def outline(network: Compute, image: NDArray[np.uint8], box_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mask of the person in the box: probabilities, float32 (M, M), cells that divide the box evenly.

    The network sees the box grown by ``MARGIN`` a side, cut to whole pixels and to the picture, and stretched. The cells are
    read at their true places in that crop, so neither cut moves the mask.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = (float(side) for side in box_xyxy)
    margin_x, margin_y = (right - left) * MARGIN, (bottom - top) * MARGIN
    x0, x1 = _whole(left - margin_x, right + margin_x, width)
    y0, y1 = _whole(top - margin_y, bottom + margin_y, height)
    crop = cv2.resize(image[y0:y1, x0:x1], (OUTLINE_PX, OUTLINE_PX), interpolation=cv2.INTER_LINEAR)
    (probabilities,) = network(np.asarray(crop, np.uint8), 1 / 255)
    return cells(probabilities[0, :, :, 0], (left, top, right, bottom), (x0, y0, x1, y1))


def cells(
    probabilities: NDArray[np.float32], box_xyxy: tuple[float, float, float, float], crop_xyxy: tuple[int, int, int, int]
) -> NDArray[np.float32]:
    """The probabilities over the crop (float32, square), read at the middles of M x M cells of the box: float32 (M, M).

    Linear between pixels, whose middles lie at +0.5 as in ``cv2.resize``; beyond the crop its edge goes on.
    """
    size = len(probabilities)
    matrix = np.zeros((2, 3))
    for axis in (0, 1):
        per_px = size / (crop_xyxy[axis + 2] - crop_xyxy[axis])
        step = (box_xyxy[axis + 2] - box_xyxy[axis]) / MASK_CELLS * per_px
        matrix[axis, axis] = step
        matrix[axis, 2] = (box_xyxy[axis] - crop_xyxy[axis]) * per_px + step / 2 - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    read = cv2.warpAffine(probabilities, matrix, (MASK_CELLS, MASK_CELLS), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read, np.float32)


def _whole(low: float, high: float, size: int) -> tuple[int, int]:
    """The span in whole pixels within 0..``size``, at least one pixel wide."""
    first = min(max(int(low), 0), size - 1)
    return first, max(min(int(high), size), first + 1)


def logit(probability: float) -> float:
    """The inverse of the sigmoid; infinite at 0 and 1."""
    if probability <= 0.0:
        return -math.inf
    return math.inf if probability >= 1.0 else math.log(probability / (1 - probability))


def known_labels(folder: Path = FOLDER) -> dict[int, str]:
    """Class names by id. Raises ``DetectorUnavailable`` when their file is missing or has changed."""
    return parse_labels(verified(LABELS_FILE, folder).decode())


def parse_labels(text: str) -> dict[int, str]:
    """Class names by id from MediaPipe's label map: one name a line, line 0 is the background."""
    return {i: line.strip().lower() for i, line in enumerate(text.splitlines()) if i > 0 and line.strip()}


def default_threads() -> int:
    """Two where the process may use two cores: more threads gain little in networks of this size."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2, cores)
