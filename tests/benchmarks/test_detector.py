"""The precision-recall curve of the benchmark, and the threshold that it recommends."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detector import VARIANTS, Point, _moved, curve, recommended
from streamer.instances import Instances


def boxes(lefts: list[float], scores: list[float]) -> Instances:
    """Boxes of 10 x 10 pixels side by side."""
    rows = [[left, 0, left + 10, 10] for left in lefts]
    return Instances(
        boxes_xyxy=np.array(rows, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        class_ids=np.ones(len(rows), np.int64),
    )


def test_a_curve_counts_one_to_one() -> None:
    truth = [boxes([0, 50], [1, 1]), boxes([100], [1])]
    found = [boxes([1, 2, 80], [0.9, 0.8, 0.5]), boxes([101], [0.6])]
    points = curve(found, truth, [0.4, 0.55, 0.85, 0.95])
    assert [(point.precision, point.recall) for point in points] == [
        pytest.approx((2 / 4, 2 / 3)),
        pytest.approx((2 / 3, 2 / 3)),
        pytest.approx((1.0, 1 / 3)),
        (1.0, 0.0),
    ]


def test_the_best_f1_of_enough_precision_is_recommended() -> None:
    points = [Point(0.2, 0.8, 0.99), Point(0.4, 0.91, 0.8), Point(0.6, 0.99, 0.6)]
    assert recommended(points).threshold == 0.4
    assert recommended(points[:1]).threshold == 0.2, "without enough precision anywhere: the best there is"


def test_the_truth_is_changed_as_the_picture_is() -> None:
    truth, picture = boxes([10], [1]), np.zeros((20, 60, 3), np.uint8)
    picture[0:10, 10:20] = 255
    for variant in VARIANTS.values():
        changed = variant.change(picture)
        x0, y0, x1, y1 = _moved(truth, variant, 60).boxes_xyxy[0].astype(int)
        inside = np.zeros(changed.shape[:2], bool)
        inside[y0:y1, x0:x1] = True
        assert (changed[inside] > 80).all()
        assert (changed[~inside] == 0).all()
