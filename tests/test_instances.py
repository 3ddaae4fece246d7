"""Instances check themselves and pick rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.instances import NO_TRACK, Instances
from tests import strategies


def make(n: int = 3, **changes: Any) -> Instances:  # any field of Instances
    fields: dict[str, Any] = {
        "boxes_xyxy": np.arange(4 * n).reshape(n, 4),
        "scores": np.linspace(1, 0.5, n),
        "class_ids": np.arange(n),
        "masks": np.zeros((n, 7, 7)),
    }
    return Instances(**(fields | changes))


def test_defaults_are_filled_in_with_the_right_types() -> None:
    found = make()
    assert found.boxes_xyxy.dtype == np.float32
    assert found.class_ids.dtype == np.int64
    assert found.track_ids.tolist() == [NO_TRACK] * 3
    assert found.has_mask.all()
    assert not found.followed.any()
    assert not found.mask_carried.any()
    assert make(followed=np.array([True, False, True])).mask_carried.tolist() == [True, False, True]
    assert found.opacity.tolist() == [1, 1, 1]
    assert not make(masks=None).has_mask.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes_xyxy": np.zeros((3, 5))}, r"boxes_xyxy: expected shape \(3, 4\), got \(3, 5\)"),
        ({"scores": np.zeros(2)}, r"scores: expected shape \(3,\), got \(2,\)"),
        ({"class_ids": np.zeros((3, 1))}, r"class_ids: expected shape \(3,\), got \(3, 1\)"),
        ({"mask_carried": np.ones(2, bool)}, r"mask_carried: expected shape \(3,\), got \(2,\)"),
        ({"masks": np.zeros((3, 7, 8))}, r"masks: expected shape \(3, M, M\), got \(3, 7, 8\)"),
        ({"masks": np.zeros((2, 7, 7))}, r"masks: expected shape \(3, M, M\), got \(2, 7, 7\)"),
        ({"masks": None, "has_mask": np.ones(3, bool)}, "has_mask: expected all False"),
        ({"masks": np.zeros((3, 0, 0))}, "masks: expected at least one cell"),
    ],
)
def test_shapes_that_do_not_fit_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_rows_can_be_picked_in_any_way() -> None:
    found = make()
    assert found[[2, 0]].class_ids.tolist() == [2, 0]
    assert found[np.array([True, False, True])].class_ids.tolist() == [0, 2]
    assert found[1:].scores.tolist() == pytest.approx([0.75, 0.5])
    assert len(found[[]]) == 0
    assert len(Instances.empty()[[]]) == 0
    assert make(masks=None)[[1]].masks is None


def test_a_mask_that_was_carried_says_so_in_any_row_and_scale() -> None:
    found = make(mask_carried=np.array([True, False, True]), has_mask=np.array([True, True, False]))
    assert found.mask_carried.tolist() == [True, False, False]
    assert found[[1, 0]].scaled(2.0, 2.0).usable(100, 50).mask_carried.tolist() == [False, True]


def test_scaled_moves_boxes_only() -> None:
    scaled = make().scaled(2.0, 10.0)
    assert scaled.boxes_xyxy[0].tolist() == [0, 10, 4, 30]
    assert scaled.masks is not None


def test_carried_grows_older_and_leaves_out_what_is_too_old() -> None:
    found = Instances(
        boxes_xyxy=np.zeros((2, 4), np.float32),
        scores=np.ones(2, np.float32),
        class_ids=np.array([1, 2]),
        masks=np.ones((2, 7, 7), np.float32),
        mask_age_s=np.array([0.0, 0.5], np.float32),
    )
    later = found.carried(1.0, max_age_s=1.2)
    assert later.class_ids.tolist() == [1]
    assert later.mask_age_s.tolist() == [1.0]
    assert later.followed.tolist() == later.mask_carried.tolist() == [True]
    assert len(found.carried(5.0, max_age_s=1.2)) == 0


@given(st.data(), strategies.sizes((4096, 2304)))
def test_what_is_usable_is_finite_and_in_its_range(data: st.DataObject, size: tuple[int, int]) -> None:
    given = data.draw(strategies.shown(*size))
    found = given.usable(*size)
    strategies.check(found, *size, within=False)
    assert (found.boxes_xyxy >= -np.tile(size, 2)).all()
    assert (found.boxes_xyxy <= 2 * np.tile(size, 2)).all()
    assert found.usable(*size) is found


def test_what_is_well_is_not_touched() -> None:
    found = make(boxes_xyxy=np.array([[0, 0, 10, 10], [-90, 5, 150, 9], [99.9, 0, 199, 50]], np.float32))
    assert found.usable(100, 50) is found


@pytest.mark.parametrize(
    "box",
    [
        (np.nan, 0, 10, 10),
        (0, 0, np.inf, 10),
        (20, 20, 10, 40),
        (10, 10, 10, 30),
        (100, 0, 120, 20),
        (-20, 0, 0, 20),
        (99.995, 0, 200, 20),
    ],
)
def test_a_box_that_means_nothing_in_the_picture_is_left_out(box: tuple[float, ...]) -> None:
    found = make(2, boxes_xyxy=np.array([box, (5, 5, 20, 20)], np.float32), class_ids=np.array([7, 8])).usable(100, 50)
    assert found.class_ids.tolist() == [8]


def test_scores_that_are_no_numbers_leave_their_objects_out() -> None:
    found = make(boxes_xyxy=np.array([[0, 0, 10, 10]] * 3), scores=np.array([np.nan, np.inf, 1.5])).usable(100, 50)
    assert found.class_ids.tolist() == [2]
    assert found.scores.tolist() == [1.0]


def test_a_mask_that_is_no_mask_is_dropped_and_its_object_stays() -> None:
    masks = np.stack([np.full((7, 7), np.nan), np.full((7, 7), 2.0), np.full((7, 7), 0.5)])
    found = make(boxes_xyxy=np.array([[0, 0, 10, 10]] * 3), masks=masks, mask_carried=np.array([True, True, False]))
    found = found.usable(100, 50)
    assert found.has_mask.tolist() == [False, True, True]
    assert found.mask_carried.tolist() == [False, True, False]
    assert found.masks is not None
    assert found.masks[:, 0, 0].tolist() == [0.0, 1.0, 0.5]


def test_a_huge_box_ends_near_the_picture_and_its_mask_with_it() -> None:
    masks = np.zeros((1, 8, 8), np.float32)
    masks[:, :, 4:] = 1.0
    huge = make(1, boxes_xyxy=np.array([[-1e30, 0, 1e30, 50]]), masks=masks).usable(100, 50)
    assert huge.boxes_xyxy.tolist() == [[-100, 0, 200, 50]]
    assert huge.masks is not None
    assert np.allclose(huge.masks, 0.5, atol=0.05), "what is seen of it lies where its mask goes from 0 to 1"
