"""What stands for a detector whose server is away."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DetectorError
from streamer.instances import Instances


class AbsentDetector:
    """Implements ``stages.Detector``: knows no classes yet, and raises why wherever it is asked, until it is loaded again."""

    input_size: tuple[int, int] | None = None

    def __init__(self, name: str, why: DetectorError) -> None:
        """``name`` is what the one that is awaited is called."""
        self.name = name
        self.why = why
        self.labels: Mapping[int, str] = MappingProxyType({})

    def detect(self, image: NDArray[np.uint8]) -> Instances:  # noqa: ARG002  # the protocol's
        """Raises the reason."""
        raise self.why

    def warm_up(self) -> None:
        """Raises the reason."""
        raise self.why

    def close(self) -> None:
        """Nothing to do."""
