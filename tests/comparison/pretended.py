"""A detector that finds the same wherever it looks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.instances import Instances


class Pretended:
    """A person whose mask fills its box."""

    name = "pretended"
    labels = {1: "person", 4: "dog"}  # noqa: RUF012
    input_size = None

    def detect(self, _image: NDArray[Any]) -> Instances:
        """One person."""
        return Instances(
            boxes_xyxy=np.array([[8, 8, 40, 40]], np.float32),
            scores=np.array([0.9], np.float32),
            class_ids=np.array([1]),
            masks=np.ones((1, 14, 14), np.float32),
        )

    def warm_up(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""
