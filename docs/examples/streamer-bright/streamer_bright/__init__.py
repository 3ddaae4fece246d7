"""Finds what is brighter than nearly all of a picture."""

from dataclasses import dataclass

import cv2
import numpy as np

labels = {0: "lamp"}
"""Class names by number: needed for --classes, which is settled before the first picture."""


@dataclass
class Detections:
    """What ``supervision.Detections`` looks like, as far as streamer reads it."""

    xyxy: np.ndarray
    """(N, 4): left, top, right, bottom in pixels."""
    confidence: np.ndarray
    """(N,): 0..1."""
    class_id: np.ndarray
    """(N,): whole numbers."""
    mask: np.ndarray
    """(N, height, width): bool."""


def detect(image: np.ndarray) -> Detections:
    """Bright spots of an RGB picture, uint8 (height, width, 3)."""
    bright = (image.min(axis=2) > 240).astype(np.uint8)
    count, spots, stats, _ = cv2.connectedComponentsWithStats(bright)
    large = [number for number in range(1, count) if stats[number, cv2.CC_STAT_AREA] >= 12]
    boxes = [(x, y, x + w, y + h) for x, y, w, h in stats[large, :4]]
    return Detections(
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        confidence=np.full(len(large), 0.9, np.float32),
        class_id=np.zeros(len(large), np.int64),
        mask=np.stack([spots == number for number in large]) if large else np.zeros((0, *bright.shape), bool),
    )
