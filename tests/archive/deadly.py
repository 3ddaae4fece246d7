"""Detectors that end their process, or never answer, when a picture is all white."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.instances import Instances
from tests.bright import Bright
from tests.waiting import wait_until

_WHITE = 200


class Deadly(Bright):
    """Kills its process."""

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        if image.min() > _WHITE:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().detect(image)


class Endless(Bright):
    """Does not come to the end of its loading, and says by the file that ``LOADING`` names that it has begun."""

    def __init__(self) -> None:
        Path(os.environ["LOADING"]).touch()
        threading.Event().wait()


class DiesOnce(Bright):
    """On ``cuda:1``: kills its process at a white picture, once: the file that ``DIED`` names says that it has.

    From then on that on the other device does not answer before the file that ``TOLD`` names is there.
    """

    def __init__(self, device: str) -> None:
        self.device = device

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        died = Path(os.environ["DIED"])
        if self.device == "cuda:1" and image.min() > _WHITE and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.device == "cuda:0" and died.exists():
            wait_until(Path(os.environ["TOLD"]).exists)
        return super().detect(image)


class GoneForGood(DiesOnce):
    """And cannot be loaded again: as where a GPU has fallen off the bus."""

    def __init__(self, device: str) -> None:
        if device == "cuda:1" and Path(os.environ["DIED"]).exists():
            raise RuntimeError("there is no GPU")
        super().__init__(device)


class Lost(Bright):
    """Fails at it, and can be loaded only once in a process: as where a GPU has gone."""

    made = 0

    def __init__(self) -> None:
        Lost.made += 1
        if Lost.made > 1:
            raise RuntimeError("there is no GPU")

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        if image.min() > _WHITE:
            raise RuntimeError("the GPU fell off the bus")
        return super().detect(image)


class Stuck(Bright):
    """Does not answer while the variable ``STUCK`` is set; otherwise it counts its calls in the file that ``CALLS`` names."""

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        if "CALLS" in os.environ:
            with Path(os.environ["CALLS"]).open("a", encoding="utf-8") as calls:
                calls.write(".")
        if image.min() > _WHITE and "STUCK" in os.environ:
            threading.Event().wait()
        return super().detect(image)
