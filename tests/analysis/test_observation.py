from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.analysis.observation import observe
from streamer.instances import Floats, Instances
from tests import strategies

WIDTH, HEIGHT = 640, 480


def one(box: list[float], mask: Floats | None = None) -> Instances:
    return Instances(
        boxes_xyxy=np.array([box], np.float32),
        scores=np.ones(1, np.float32),
        class_ids=np.ones(1, np.int64),
        masks=None if mask is None else mask[None],
    )


def test_without_a_mask_the_foot_is_the_middle_of_the_box_s_lower_side() -> None:
    assert observe(one([100, 100, 140, 200]), WIDTH, HEIGHT).feet_xy.tolist() == [[120.0, 200.0]]


def test_the_foot_is_the_lowest_part_of_the_mask() -> None:
    mask = np.zeros((28, 28), np.float32)
    mask[2:14, 0:7] = 1.0  # in the upper left of the box
    seen = observe(one([100, 100, 156, 156], mask), WIDTH, HEIGHT)
    assert seen.feet_xy[0].tolist() == pytest.approx([107.0, 128.0], abs=1.01)
    assert seen.shapes.mean() == pytest.approx(12 * 7 / 28**2, abs=0.03)


def test_the_foot_of_a_slanted_object_is_where_it_stands() -> None:
    mask = np.eye(28, dtype=np.float32)
    assert observe(one([0, 0, 280, 280], mask), WIDTH, HEIGHT).feet_xy[0] == pytest.approx([260, 280], abs=6)


def test_what_of_a_mask_lies_outside_the_picture_is_not_seen() -> None:
    mask = np.ones((28, 28), np.float32)
    mask[:, :14] = 0.0
    seen = observe(one([100, 400, 200, 560], mask), WIDTH, HEIGHT)
    assert seen.feet_xy[0].tolist() == pytest.approx([175.0, 480.0], abs=0.1)
    assert seen.boxes_xyxy[0].tolist() == [100, 400, 200, 480]
    assert seen.shapes[0].mean() == pytest.approx(0.5)


def test_an_empty_mask_counts_as_the_box() -> None:
    seen = observe(one([100, 100, 140, 200], np.zeros((28, 28), np.float32)), WIDTH, HEIGHT)
    assert seen.feet_xy.tolist() == [[120.0, 200.0]]
    assert seen.shapes.all()


@given(st.data())
@settings(deadline=None)
def test_feet_are_within_boxes_within_the_picture(data: st.DataObject) -> None:
    width, height = data.draw(strategies.sizes())
    found = data.draw(strategies.shown(width, height)).usable(width, height)
    seen = observe(found, width, height)
    assert (seen.feet_xy >= seen.boxes_xyxy[:, :2]).all()
    assert (seen.feet_xy <= seen.boxes_xyxy[:, 2:]).all()
    assert (seen.boxes_xyxy[:, 2:] <= [width, height]).all()
    assert seen.shapes.any(axis=(1, 2)).all()
