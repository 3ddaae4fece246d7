"""Pictures and objects for the tests of the renderer, made from formulas."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from streamer.frame import UPRIGHT, Frame, Orientation, Plane, plane_views
from streamer.instances import NO_TRACK, Floats, Instances

LABELS = {1: "person", 2: "bicycle", 3: "car"}


def figure(cells: int) -> Floats:
    """A soft person: head, body, two legs; float32 (cells, cells)."""
    y, x = (np.mgrid[0:cells, 0:cells] + 0.5) / cells
    inside = np.maximum(
        1 - ((x - 0.5) / 0.16) ** 2 - ((y - 0.13) / 0.12) ** 2, 1 - ((x - 0.5) / 0.36) ** 4 - ((y - 0.5) / 0.3) ** 4
    )
    for leg in (0.36, 0.64):
        inside = np.maximum(inside, 1 - ((x - leg) / 0.14) ** 4 - ((y - 0.8) / 0.2) ** 4)
    return np.asarray(1 / (1 + np.exp(-4 * inside)), np.float32)


def disc(cells: int) -> Floats:
    """A soft disc that touches the box on all sides."""
    y, x = (np.mgrid[0:cells, 0:cells] + 0.5) / cells - 0.5
    return np.asarray(np.clip(0.5 + (0.48 - np.hypot(x, y)) * cells / 2, 0, 1), np.float32)


def frame_of(planes: tuple[Plane, ...], orientation: Orientation = UPRIGHT, name: str = "yuv420p") -> Frame:
    """A frame that holds these planes, as stored."""
    picture = av.VideoFrame(planes[0].shape[1], planes[0].shape[0], name)
    for target, plane in zip(plane_views(picture), planes, strict=True):
        np.copyto(target, plane)
    picture.pts, picture.time_base = 7, Fraction(1, 90)
    return Frame(
        picture=picture, index=3, pts=7, time_base=Fraction(1, 90), source="scene", captured_at=0.0, orientation=orientation
    )


def landscape(width: int, height: int) -> tuple[Plane, ...]:
    """Soft gradients with some structure: Y, U, V for a width x height picture."""
    planes = []
    for w, h, phase in ((width, height, 0.0), (-(-width // 2), -(-height // 2), 1.0), (-(-width // 2), -(-height // 2), 2.0)):
        y, x = np.mgrid[0:h, 0:w] / max(w, h)
        planes.append(np.asarray(118 + 60 * np.sin(5 * x + phase) * np.cos(7 * y + phase), np.uint8))
    return tuple(planes)


def group(width: int, height: int) -> Instances:
    """Five objects: two that overlap, one cut by the left edge, one fading, one without a mask."""
    boxes = np.array(
        [
            [0.30, 0.25, 0.52, 0.95],
            [0.44, 0.30, 0.64, 0.99],
            [-0.08, 0.35, 0.12, 0.90],
            [0.70, 0.05, 0.86, 0.45],
            [0.74, 0.55, 0.97, 0.9],
        ]
    )
    return Instances(
        boxes_xyxy=(boxes * [width, height, width, height]).astype(np.float32),
        scores=np.array([0.98, 0.91, 0.85, 0.77, 0.64], np.float32),
        class_ids=np.array([1, 1, 1, 2, 3]),
        masks=np.stack([figure(28)] * 3 + [disc(28)] * 2),
        has_mask=np.array([True, True, True, True, False]),
        track_ids=np.array([1, 2, 3, 4, 5]),
        opacity=np.array([1, 1, 1, 0.5, 1], np.float32),
        mask_age_s=np.array([0, 0, 0.12, 0, 0], np.float32),
        followed=np.array([False, False, True, False, False]),
    )


def crowd(width: int, height: int) -> Instances:
    """Forty small objects close together, every second one tracked, without masks."""
    rng = np.random.default_rng(4)
    sizes = rng.uniform(0.02, 0.06, (40, 2)) * height
    middles = rng.uniform(0.2, 0.8, (40, 2)) * [width, height]
    return Instances(
        boxes_xyxy=np.hstack([middles - sizes / 2, middles + sizes / 2]).astype(np.float32),
        scores=np.linspace(0.9, 0.2, 40, dtype=np.float32),
        class_ids=rng.integers(1, 4, 40),
        track_ids=np.where(np.arange(40) % 2, NO_TRACK, np.arange(40) + 1),
    )


def one(box_xyxy: tuple[float, float, float, float], mask: Floats | None = None) -> Instances:
    """A single person."""
    return Instances(
        boxes_xyxy=np.array([box_xyxy], np.float32),
        scores=np.array([0.9], np.float32),
        class_ids=np.array([1]),
        masks=None if mask is None else mask[None],
    )


def samples(picture: av.VideoFrame) -> list[NDArray[np.uint8]]:
    """Copies of the planes."""
    return [plane.copy() for plane in plane_views(picture)]
