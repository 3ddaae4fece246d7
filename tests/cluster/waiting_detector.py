"""Detectors that wait at white pictures until a file is there, which the variable ``GO`` names."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.instances import Instances
from tests.bright import Bright
from tests.cluster.stamping import stamp
from tests.waiting import wait_until

_WHITE = 200
_STAMP_S = 0.1


class Waiting(Bright):
    def detect(self, image: NDArray[np.uint8]) -> Instances:
        if image.min() > _WHITE:
            wait_until(Path(os.environ["GO"]).exists, 60)
        return super().detect(image)


class TellingWaiting(Bright):
    """Writes meanwhile that it is there, into the file that the variable ``STAMPS_OF_ARCHIVE`` names."""

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        while image.min() > _WHITE and not Path(os.environ["GO"]).exists():
            stamp(Path(os.environ["STAMPS_OF_ARCHIVE"]))
            time.sleep(_STAMP_S)
        return super().detect(image)
