"""The geometry of a single-shot detector: anchors, box decoding and non-maximum suppression."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

STRIDES_PX = (16, 32, 64, 128, 256, 512)
SCALE_MIN, SCALE_MAX = 0.2, 0.95
ASPECT_RATIOS = (1.0, 2.0, 0.5, 3.0, 1.0 / 3.0)
BOX_SCALES = np.array([10.0, 10.0, 5.0, 5.0], np.float32)
"""What the network's y, x, h, w encodings were multiplied by in training."""


def anchors(input_px: int = 300) -> Floats:
    """The anchors of MediaPipe's SSD settings with a reduced lowest layer, in the order of the network's output rows.

    float32 (A, 4): centre y, centre x, height, width, normalised to the picture; A is 1917 for an input of 300 pixels.
    """
    scales = [SCALE_MIN + (SCALE_MAX - SCALE_MIN) * i / (len(STRIDES_PX) - 1) for i in range(len(STRIDES_PX))] + [1.0]
    layers = []
    for layer, stride in enumerate(STRIDES_PX):
        scale, next_scale = scales[layer], scales[layer + 1]
        if layer == 0:
            shapes = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        else:
            shapes = [(scale, ratio) for ratio in ASPECT_RATIOS] + [(math.sqrt(scale * next_scale), 1.0)]
        sizes = np.array([(s / math.sqrt(ratio), s * math.sqrt(ratio)) for s, ratio in shapes])
        cells = math.ceil(input_px / stride)
        centres = (np.arange(cells) + 0.5) / cells
        grid = np.empty((cells, cells, len(shapes), 4))
        grid[..., 0] = centres[:, None, None]
        grid[..., 1] = centres[None, :, None]
        grid[..., 2:] = sizes
        layers.append(grid.reshape(-1, 4))
    return np.concatenate(layers).astype(np.float32)


def decode(encodings: Floats, around: Floats) -> Floats:
    """Boxes float32 (K, 4) left, top, right, bottom, normalised, from encodings (K, 4) y, x, h, w and their anchors (K, 4)."""
    scaled = encodings / BOX_SCALES
    centres = scaled[:, :2] * around[:, 2:] + around[:, :2]
    halves = np.exp(scaled[:, 2:]) * around[:, 2:] / 2
    boxes_yxyx = np.concatenate([centres - halves, centres + halves], axis=1)
    return boxes_yxyx[:, [1, 0, 3, 2]]


def suppress(boxes_xyxy: Floats, class_ids: NDArray[np.intp], iou_threshold: float, limit: int) -> list[int]:
    """Greedy non-maximum suppression per class over boxes sorted by falling score: the rows to keep, at most ``limit``."""
    widths, heights = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).T
    areas = widths * heights
    left = np.arange(len(boxes_xyxy))
    kept: list[int] = []
    while len(left) and len(kept) < limit:
        best, rest = int(left[0]), left[1:]
        kept.append(best)
        box, others = boxes_xyxy[best], boxes_xyxy[rest]
        sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
        overlap = np.maximum(sides, 0).prod(axis=1)
        covered = (overlap > iou_threshold * (areas[best] + areas[rest] - overlap)) & (class_ids[rest] == class_ids[best])
        left = rest[~covered]
    return kept
