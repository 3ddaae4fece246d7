"""What analysis sees of the objects in a frame: few numbers, rounded as records hold them, so that both give the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.instances import Bools, Instances, Ints

CELLS = 16
"""A shape has so many cells a side."""
MASK_LEVEL = 0.5
"""Probability from which a point belongs to an object."""
LOWEST_SHARE = 0.15
"""The lowest part of a mask, as a share of its height: its middle is where the object stands. Fewer rows would follow the foot
that is put forward from step to step."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Observations:
    """N objects of one frame, in the order of its instances."""

    size: tuple[int, int]
    """Width and height of the displayed picture, pixels."""
    class_ids: Ints
    """int64 (N,)."""
    track_ids: Ints
    """int64 (N,)."""
    mask_age_s: Doubles
    """float64 (N,): seconds since the object was inferred, to 0.1 ms."""
    boxes_xyxy: Doubles
    """float64 (N, 4): left, top, right, bottom, ending where the picture does, to 0.01 pixel."""
    feet_xy: Doubles
    """float64 (N, 2): the lowest part of the mask within the picture, of the box where there is none, to 0.01 pixel."""
    shapes: Bools
    """bool (N, ``CELLS``, ``CELLS``): which cells of ``boxes_xyxy`` belong to the object; all where there is no mask."""

    def __len__(self) -> int:
        return len(self.class_ids)


def observe(instances: Instances, width: int, height: int, *, shapes_too: bool = True) -> Observations:
    """What there is to say of ``instances`` in a displayed picture of ``width`` x ``height`` pixels.

    The instances are those that ``Instances.usable`` leaves. ``shapes_too``: whether masks become shapes, or boxes do.
    """
    boxes = instances.boxes_xyxy.astype(np.float64)
    edges = np.array([width, height, width, height], np.float64)
    within: Doubles = np.minimum(np.maximum(boxes, 0.0), edges).round(2)
    feet: Doubles = np.stack([(within[:, 0] + within[:, 2]) * 0.5, within[:, 3]], axis=1)
    shapes: Bools = np.ones((len(boxes), CELLS, CELLS), np.bool_)
    if instances.masks is not None and (has_mask := instances.has_mask).any():
        # Rows without a mask go along: picking the others out would take longer.
        low, found = _feet(instances.masks, boxes, width, height)
        low = np.minimum(np.maximum(low, within[:, :2]), within[:, 2:])
        feet = np.where((found & has_mask)[:, None], low, feet)
        if shapes_too:
            sampled = _sampled(instances.masks, boxes, within)
            some = has_mask & sampled.any(axis=(1, 2))
            shapes = sampled if some.all() else np.where(some[:, None, None], sampled, shapes)
    return Observations(
        size=(width, height),
        class_ids=instances.class_ids,
        track_ids=instances.track_ids,
        mask_age_s=instances.mask_age_s.astype(np.float64).round(4),
        boxes_xyxy=within,
        feet_xy=feet.round(2),
        shapes=shapes,
    )


def _feet(masks: NDArray[np.float32], boxes: Doubles, width: int, height: int) -> tuple[Doubles, Bools]:
    """Where each mask is lowest within the picture (n, 2), and whether (n,) anything of it is there."""
    n, m, _ = masks.shape
    cells, index = np.arange(m), np.arange(n)
    step = (boxes[:, 2:] - boxes[:, :2]) / m
    middles_x = boxes[:, 0:1] + (cells + 0.5) * step[:, 0:1]
    solid: Bools = np.asarray(masks >= MASK_LEVEL, np.bool_)
    if boxes[:, :2].min() < 0.0 or boxes[:, 2].max() > width or boxes[:, 3].max() > height:
        middles_y = boxes[:, 1:2] + (cells + 0.5) * step[:, 1:2]
        solid &= ((middles_x >= 0.0) & (middles_x <= width))[:, None, :]
        solid &= ((middles_y >= 0.0) & (middles_y <= height))[:, :, None]
    filled: Bools = np.asarray(solid.any(axis=2), np.bool_)
    top = filled.argmax(axis=1)
    last = m - 1 - filled[:, ::-1].argmax(axis=1)
    # Between the last row of the mask and the one under it, where the probability falls through the level: smoother than rows.
    inner = masks[index, last].max(axis=1).astype(np.float64)
    under = masks[index, np.minimum(last + 1, m - 1)].max(axis=1).astype(np.float64)
    under = np.where(last + 1 < m, np.minimum(under, MASK_LEVEL), 0.0)
    beyond = np.minimum(np.maximum((inner - MASK_LEVEL) / np.maximum(inner - under, 1e-6), 0.0), 0.5)
    y = boxes[:, 1] + (last + 0.5 + beyond) * step[:, 1]
    lowest = np.ceil((last + 1 - top) * LOWEST_SHARE)
    up = np.arange(math.ceil(m * LOWEST_SHARE))
    part = solid[index[:, None], np.maximum(last[:, None] - up, 0)] & (up < lowest[:, None])[:, :, None]
    columns = part.sum(axis=1)
    x = (columns * middles_x).sum(axis=1) / np.maximum(columns.sum(axis=1), 1e-9)
    return np.stack([x, y], axis=1), filled[index, last]


def _sampled(masks: NDArray[np.float32], boxes: Doubles, within: Doubles) -> Bools:
    """The masks of ``boxes`` at the middles of the cells of the boxes ``within``: bool (n, ``CELLS``, ``CELLS``)."""
    n, m, _ = masks.shape
    middles = (np.arange(CELLS) + 0.5) / CELLS
    scale = m / np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    places = within[:, None, :2] + middles[None, :, None] * (within[:, None, 2:] - within[:, None, :2])
    cells = np.minimum(np.maximum(((places - boxes[:, None, :2]) * scale[:, None]).astype(np.intp), 0), m - 1)
    rows = np.arange(0, n * m, m)[:, None] + cells[..., 1]
    # Where a cell is among all of them: NumPy takes three times as long to pick by three indices.
    return np.asarray(masks.ravel().take((rows * m)[:, :, None] + cells[:, None, :, 0]) >= MASK_LEVEL, np.bool_)
