"""The built-in detector: 80 classes of COCO found by NanoDet-Plus, most of what people look for with outlines, on any CPU."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.labels import COCO
from streamer.detectors.nanodet_boxes import BoxNetwork, best_fit
from streamer.detectors.outlines import CELLS, LIVE_MS, RECORDING_MS, Outliner
from streamer.detectors.picture import refuse_other_than_rgb
from streamer.detectors.weights import FOLDER, verified
from streamer.errors import ConfigError, DetectorUnavailable
from streamer.instances import Instances

SIZES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "nanodet": ((512, 384), (576, 320), (320, 576)),
    "nanodet:large": ((960, 544),),
}
"""Input sizes (width, height) in pixels of each variant: the one that shows the picture largest is taken."""

COCO_IDS = np.array(list(COCO), np.int64)
"""From the network's 80 classes to COCO's ids within 1..90."""

DEFAULT_CLASSES = frozenset(
    [
        "person",
        "bicycle",
        "car",
        "motorcycle",
        "airplane",
        "bus",
        "train",
        "truck",
        "boat",
        "bird",
        "cat",
        "dog",
        "horse",
        "sheep",
        "cow",
        "elephant",
        "bear",
        "zebra",
        "giraffe",
        "backpack",
        "umbrella",
        "handbag",
        "suitcase",
        "bottle",
        "chair",
        "couch",
        "potted plant",
        "tv",
        "laptop",
    ]
)
"""What is shown where no classes are asked for: what people look for on video. The others are seldom looked for, and a frisbee
or a fire hydrant on surveillance footage is mostly something else."""

CONTRACT = {
    "image": "uint8 [height, width, 3]",
    "boxes_xyxy": "float32 [N, 4]",
    "scores": "float32 [N]",
    "class_ids": "int64 [N]",
    "masks": f"float32 [N, {CELLS}, {CELLS}]",
}


class NanoDetDetector:
    """NanoDet-Plus-m for boxes, a portrait segmenter and DeepLab v3 for outlines.

    Calls from any one thread at a time; a lock keeps others waiting. What stands still keeps its outline.
    """

    input_size: tuple[int, int] | None = None
    labels: Mapping[int, str] = COCO
    contract: Mapping[str, str] = CONTRACT
    default_classes = DEFAULT_CLASSES

    def __init__(
        self,
        variant: str = "nanodet",
        *,
        score_threshold: float = 0.4,
        threads: int | None = None,
        max_instances: int = 100,
        live: bool = False,
        folder: Path = FOLDER,
    ) -> None:
        """``variant`` is one of ``SIZES``; ``score_threshold`` is 0..1; ``threads`` is how many each network computes with;
        ``live`` says that pictures do not wait, so that outlines get less time.

        Raises ``ConfigError`` for values out of range and ``DetectorUnavailable`` when a file is missing or has changed.
        """
        if not 0.0 <= score_threshold <= 1.0:
            raise ConfigError(f"score_threshold must be within 0..1, got {score_threshold}", hint="0.4 is the default")
        if threads is not None and threads < 1:
            raise ConfigError(f"threads must be at least 1, got {threads}")
        self.name = variant
        self.threads = default_threads() if threads is None else threads
        self.device = f"CPU, {self.threads} thread{'s' if self.threads > 1 else ''}"
        self.outlines_ms = LIVE_MS if live else RECORDING_MS
        """What the outlines of one picture may cost one core, nominally; more at the first picture and after a cut."""
        self._score_threshold = score_threshold
        self._max_instances = max_instances
        self._lock = threading.Lock()
        self._networks: dict[tuple[int, int], BoxNetwork] = {}
        # All are read now, so that a damaged file shows at the start and not with the first upright picture.
        self._contents = {size: (name := weights_file(size), verified(name, folder)) for size in SIZES[variant]}
        self._outliner: Outliner | None = Outliner(COCO, self.threads, most_ms=self.outlines_ms, folder=folder)

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        """Find objects in an RGB picture, uint8 (height, width, 3); boxes in pixels of that very array."""
        refuse_other_than_rgb(image)
        with self._lock:
            if self._outliner is None:
                raise DetectorUnavailable(f"the detector {self.name} is closed", hint="make a new one")
            boxes = self._network_for(image)(image, self._score_threshold, self._max_instances)
            if not len(boxes.scores):
                return Instances.empty()
            found = Instances(boxes_xyxy=boxes.xyxy, scores=boxes.scores, class_ids=COCO_IDS[boxes.classes])
            return self._outliner(image, found)

    def warm_up(self) -> None:
        """Run the networks once, the boxes' at the size of a wide picture."""
        with self._lock:
            self._network_for(np.zeros((9, 16, 3), np.uint8)).compute()
            if self._outliner is not None:
                self._outliner.warm_up()

    def forget(self) -> None:
        """Keep no outlines of earlier pictures: another recording begins."""
        if self._outliner is not None:
            self._outliner.forget()

    def close(self) -> None:
        """Free the networks."""
        with self._lock:
            if self._outliner is not None:
                self._outliner.close()
            self._outliner = None
            self._networks = {}

    def _network_for(self, image: NDArray[np.uint8]) -> BoxNetwork:
        size = best_fit(list(self._contents), image.shape[1], image.shape[0])
        if size not in self._networks:
            name, content = self._contents[size]
            self._networks[size] = BoxNetwork(content, self.threads, name)
        return self._networks[size]


def weights_file(size: tuple[int, int]) -> str:
    """The file of the network with that input size (width, height), below the folder of models."""
    return f"nanodet/nanodet_plus_m_{size[1]}x{size[0]}.int8.tflite"


def default_threads() -> int:
    """Two where the process may use two cores: more threads gain little in networks of this size."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2, cores)
