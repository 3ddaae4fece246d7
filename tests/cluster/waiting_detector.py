"""A detector that waits at white pictures until a file is there, which the variable ``GO`` names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.instances import Instances
from tests.bright import Bright
from tests.waiting import wait_until

_WHITE = 200


class Waiting(Bright):
    def detect(self, image: NDArray[np.uint8]) -> Instances:
        if image.min() > _WHITE:
            wait_until(Path(os.environ["GO"]).exists, 60)
        return super().detect(image)
