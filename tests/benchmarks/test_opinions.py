"""Precision and recall of class, and how many pixels two outlines claim."""

from __future__ import annotations

import numpy as np

from benchmarks.opinions import claimed, precision_and_recall
from streamer.instances import Instances


def objects(*rows: tuple[int, float]) -> Instances:
    """Boxes of 10 x 10 pixels: class and left side of each."""
    return Instances(
        boxes_xyxy=np.array([[left, 0, left + 10, 10] for _, left in rows], np.float32).reshape(-1, 4),
        scores=np.ones(len(rows), np.float32),
        class_ids=np.array([class_id for class_id, _ in rows], np.int64),
    )


def test_a_box_of_another_class_is_wrong_and_misses_what_is_there() -> None:
    truth = [objects((1, 0), (3, 50)), objects()]
    assert precision_and_recall([objects((1, 1), (8, 50)), objects((1, 0))], truth) == (1 / 3, 1 / 2)
    assert precision_and_recall([objects(), objects()], truth) == (1.0, 0.0)


def test_pixels_are_shared_by_two_of_one_kind_only() -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    boxes = np.array([[0, 0, 20, 20], [10, 0, 50, 20], [0, 0, 40, 20]], np.float32)  # the second one reaches outside
    masks = np.ones((3, 8, 8), np.float32)
    assert claimed(image, boxes, masks, ["a", "a", None]) == (800, 200)
    assert claimed(image, boxes, masks, ["a", "b", "c"]) == (800, 0)
    assert claimed(image, boxes, masks, [None, None, None]) == (0, 0)
