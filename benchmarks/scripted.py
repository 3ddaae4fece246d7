"""A detector that costs nothing: ten instances that move, so that only the line itself is measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.instances import Instances

M = 33


class Ten:
    """Ten instances of people's shape on a slow orbit, of the size that people have in a street scene."""

    def __init__(self) -> None:
        self.labels = {1: "person"}
        self.input_size = (64, 64)
        self._calls = 0
        y, x = np.mgrid[-1 : 1 : M * 1j, -1 : 1 : M * 1j]
        body = 1 / (1 + np.exp(12 * (np.hypot(x / 0.55, y / 0.9) - 1)))
        self._masks = np.repeat(body[None].astype(np.float32), 10, axis=0)

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        self._calls += 1
        height, width = image.shape[:2]
        angle = 0.02 * self._calls + np.arange(10)
        x = width * (0.08 + 0.09 * np.arange(10) + 0.02 * np.cos(angle))
        y = height * (0.5 + 0.25 * np.sin(2.1 * np.arange(10)) + 0.02 * np.sin(angle))
        w, h = width * 0.055, height * 0.25
        boxes = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1).astype(np.float32)
        return Instances(
            boxes_xyxy=boxes,
            scores=np.linspace(0.99, 0.6, 10, dtype=np.float32),
            class_ids=np.ones(10, np.int64),
            masks=self._masks,
        )
