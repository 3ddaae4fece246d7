"""The picture and the objects that drawing is measured with. It needs nothing that is not installed for tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Frame
from streamer.instances import Instances
from streamer.render.renderer import Renderer, Style
from streamer.stages import Annotated

LABELS = {1: "person", 2: "bicycle", 3: "car"}
Drawing = Callable[[], object]


def person(cells: int) -> NDArray[np.float32]:
    """A soft figure with head, body and legs, float32 (cells, cells)."""
    y, x = (np.mgrid[0:cells, 0:cells] + 0.5) / cells
    inside = np.maximum(
        1 - ((x - 0.5) / 0.16) ** 2 - ((y - 0.13) / 0.12) ** 2, 1 - ((x - 0.5) / 0.36) ** 4 - ((y - 0.5) / 0.3) ** 4
    )
    for leg in (0.36, 0.64):
        inside = np.maximum(inside, 1 - ((x - leg) / 0.14) ** 4 - ((y - 0.8) / 0.2) ** 4)
    return np.asarray(1 / (1 + np.exp(-4 * inside)), np.float32)


def scene(width: int, height: int, count: int, cells: int = 33) -> tuple[Frame, Instances]:
    """A noisy picture and ``count`` objects on it, the largest 300 x 500 pixels in 1080 lines; the same on every call."""
    rng = np.random.default_rng(7)
    planes = cv2.GaussianBlur(rng.integers(0, 255, (height * 3 // 2, width), np.uint8), (0, 0), 3)
    picture = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
    boxes = []
    for _ in range(count):
        h = rng.uniform(150, 500) * height / 1080
        w = min(300 * height / 1080, h * rng.uniform(0.4, 0.8))
        x, y = rng.uniform(-w / 4, width - 3 * w / 4), rng.uniform(-h / 8, height - 7 * h / 8)
        boxes.append([x, y, x + w, y + h])
    instances = Instances(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.sort(rng.uniform(0.4, 1, count).astype(np.float32))[::-1],
        class_ids=rng.integers(1, 4, count),
        masks=np.stack([person(cells)] * count) if count else None,
        track_ids=np.arange(1, count + 1),
    )
    return Frame(picture=picture, index=0, pts=0, time_base=Fraction(1, 25), source="scene", captured_at=0.0), instances


def ours(frame: Frame, instances: Instances, draw: frozenset[str]) -> Drawing:
    """Our renderer with a style."""
    renderer = Renderer(LABELS, style=Style(draw=draw))
    return lambda: renderer(Annotated(frame, instances))


def ours_changing(frame: Frame, instances: Instances, draw: frozenset[str]) -> Drawing:
    """The same with other scores in each picture, as in a video: no label was drawn before."""
    renderer, rng = Renderer(LABELS, style=Style(draw=draw)), np.random.default_rng(7)
    scores = itertools.cycle(rng.uniform(0.4, 1, (500, len(instances))).astype(np.float32))
    return lambda: renderer(Annotated(frame, replace(instances, scores=next(scores))))
