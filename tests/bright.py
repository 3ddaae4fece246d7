"""A detector whose answers follow from the picture: it finds what is bright. Loaded as ``tests.bright:Bright``."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamer.instances import Instances


class Bright:
    """Finds the box around all bright pixels, with a full mask."""

    labels: Mapping[int, str] = {1: "light", 2: "lamp"}  # a class of ten lines, as a user writes it

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        y, x = np.nonzero(image.min(axis=2) > 150)
        if not len(x):
            return Instances.empty()
        box = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]], np.float32)
        return Instances(
            boxes_xyxy=box,
            scores=np.array([0.9], np.float32),
            class_ids=np.array([1]),
            masks=np.ones((1, 8, 8), np.float32),
        )


class Everything(Bright):
    """Finds one object, the middle of the picture, whatever is to be seen."""

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        height, width = image.shape[:2]
        box = np.array([[0.3 * width, 0.3 * height, 0.7 * width, 0.7 * height]], np.float32)
        return Instances(boxes_xyxy=box, scores=np.array([0.9], np.float32), class_ids=np.array([1]))


class Renamed(Everything):
    """The same with other names."""

    labels: Mapping[int, str] = {1: "cat", 2: "light"}


class Dusk(Everything):
    """Finds the same object while the middle of the picture is neither dark nor bright."""

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        height, width = image.shape[:2]
        return super().detect(image) if 60 <= image[height // 2, width // 2].mean() < 110 else Instances.empty()


class Broken(Bright):
    """Fails on its fifth picture (the warm-up may call it, too)."""

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        self.calls += 1
        if self.calls == 5:
            raise RuntimeError("the tensor fell over")
        return super().detect(image)


class Cold(Bright):
    """Cannot be warmed up."""

    def warm_up(self) -> None:
        raise RuntimeError("no device")


class Wrong(Bright):
    """Answers with arrays that do not fit together."""

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        found = super().detect(image)
        return Instances(boxes_xyxy=found.boxes_xyxy, scores=np.ones(7, np.float32), class_ids=found.class_ids)


class Tired(Bright):
    """Takes a quarter of a second from its hundredth picture on: what is queued then is not worked off at once."""

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        self.calls += 1
        if self.calls > 100:
            threading.Event().wait(0.25)
        return super().detect(image)


class Sticky(Bright):
    """Never comes back from ``close``."""

    def close(self) -> None:
        threading.Event().wait()


class Loading(Bright):
    """Takes for ever to load, and says when it begins."""

    def warm_up(self) -> None:
        print("loading", file=sys.stderr, flush=True)
        while True:
            threading.Event().wait(1.0)


class Slow(Bright):
    """Takes a long time for its first picture, its third, or for being loaded or warmed up, by the variable ``SLOW_AT``, and
    says when that begins."""

    def __init__(self) -> None:
        self.calls = 0
        self._long_at("load")

    def warm_up(self) -> None:
        self._long_at("warm_up")

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        self.calls += 1
        self._long_at(f"call {self.calls}")
        return super().detect(image)

    def _long_at(self, where: str) -> None:
        if os.environ.get("SLOW_AT") == where:
            print("begun", file=sys.stderr, flush=True)
            ctypes.CDLL(None).sleep(600)  # as in a library: no signal and no exception of Python's ends it


class Placed(Bright):
    """Computes on the device that it is told. What it finds is a light on the first, a lamp on the others."""

    def __init__(self, device: str) -> None:
        self.device = device

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        found = super().detect(image)
        return replace(found, class_ids=found.class_ids + (self.device != "cuda:0"))
