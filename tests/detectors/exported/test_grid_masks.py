"""Masks relative to their boxes, cut from maps of the whole input."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamer.detectors.exported.grid_masks import LEAST_CELLS, MOST_CELLS, cells_for, from_maps, from_prototypes
from streamer.detectors.exported.picture_input import Fit
from tests.detectors.exported.test_ultralytics import painted


def test_masks_are_finer_for_larger_objects() -> None:
    assert cells_for(np.array([[0.0, 0.0, 5.0, 9.0]])) == LEAST_CELLS
    assert cells_for(np.array([[0.0, 0.0, 5.0, 9.0], [10.0, 0.0, 35.0, 30.0]])) == 90
    assert cells_for(np.array([[0.0, 0.0, 160.0, 160.0]])) == MOST_CELLS
    assert cells_for(np.zeros((0, 4))) == LEAST_CELLS
    assert cells_for(np.array([[np.nan, 0.0, np.inf, 1.0]])) == LEAST_CELLS


def test_the_left_half_of_the_picture_is_the_left_half_of_a_box_over_all_of_it() -> None:
    maps = np.full((1, 40, 80), -5.0, np.float32)
    maps[:, :, :40] = 5.0
    (mask,) = from_maps(maps, np.array([[0.0, 0.0, 320.0, 160.0]]), (320, 160), logits=True)
    cells = len(mask)
    assert (mask[:, : cells // 2 - 1] > 0.9).all()
    assert (mask[:, cells // 2 + 1 :] < 0.1).all()


def test_prototypes_are_mixed() -> None:
    prototypes = np.zeros((2, 40, 80), np.float32)
    prototypes[0, :20] = 1.0
    prototypes[1, 20:] = 1.0
    made = from_prototypes(
        prototypes,
        np.array([[9, -9], [-9, 9]], np.float32),
        np.array([[0.0, 0.0, 320.0, 160.0]] * 2),
        Fit((320, 160), (320, 160), 0, 0, (320, 160)),
    )
    np.testing.assert_allclose(made[0], 1.0 - made[1], atol=1e-5)
    assert made[0, 10].min() > 0.99


@pytest.mark.parametrize(("used", "finer"), [((160, 88), 1), ((160, 84), 2), ((160, 90), 4)])
def test_padding_does_not_reach_into_masks_at_the_edge_of_the_picture(used: tuple[int, int], finer: int) -> None:
    """As Ultralytics has it: logits are interpolated until padding ends between two cells, then it is cut off."""
    few = np.random.default_rng(5).normal(size=(12, 12)).astype(np.float32) * 4
    logits = np.asarray(cv2.resize(few, (40, 40)), np.float32)
    top = (160 - used[1]) // 2
    # Padding says the contrary of what it lies beside.
    first, last = -(-top // 4), (top + used[1]) // 4
    logits[:first], logits[last:] = -9 * np.sign(logits[first]), -9 * np.sign(logits[last - 1])
    picture = used[0] * 4, used[1] * 4
    many = cv2.resize(logits, None, fx=finer, fy=finer, interpolation=cv2.INTER_LINEAR)
    cut = many[top * finer // 4 : (top + used[1]) * finer // 4]
    expected = cv2.resize(cut, picture, interpolation=cv2.INTER_LINEAR) > 0

    fit = Fit((160, 160), used, 0, top, picture)
    for box in ([20.0, 0.0, 300.0, 90.0], [250.0, 200.0, 600.0, float(picture[1])]):
        in_input = fit.from_picture(np.array([box], np.float32))
        (mask,) = from_prototypes(logits[None], np.ones((1, 1), np.float32), in_input, fit)
        left, top_row, right, bottom = (int(side) for side in box)
        made = painted(mask, np.array(box), *picture)[top_row:bottom, left:right]
        wanted = expected[top_row:bottom, left:right]
        assert np.count_nonzero(made & wanted) / np.count_nonzero(made | wanted) >= 0.98


def test_outlines_of_small_objects_keep_their_bends() -> None:
    """Each cell of the map, four pixels wide, is straight lines between its corners."""
    logits = np.random.default_rng(6).normal(0.4, 1, (40, 40)).astype(np.float32)
    expected = cv2.resize(logits, (160, 160), interpolation=cv2.INTER_LINEAR) > 0
    fit = Fit((160, 160), (160, 160), 0, 0, (160, 160))
    for left, top in ((9, 21), (50, 3), (77, 80)):
        box = np.array([left, top, left + 67, top + 61], np.float64)
        (mask,) = from_prototypes(logits[None], np.ones((1, 1), np.float32), box[None], fit)
        made = painted(mask, box, 160, 160)[top : top + 61, left : left + 67]
        wanted = expected[top : top + 61, left : left + 67]
        assert np.count_nonzero(made & wanted) / np.count_nonzero(made | wanted) >= 0.98


BOXES = arrays(np.float64, st.tuples(st.integers(0, 4), st.just(4)), elements=st.floats(width=64))


@given(BOXES)
def test_whatever_the_boxes_are_the_masks_are_probabilities(boxes: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    maps = np.full((len(boxes), 6, 9), 3.0, np.float32)
    made = from_maps(maps, np.clip(boxes, -1e9, 1e9), (36, 24), logits=True)
    assert made.shape[0] == len(boxes)
    assert ((made >= 0) & (made <= 1)).all()


@pytest.mark.parametrize("box", [(30, 10, 20, 40), (10, 30, 40, 20), (10, 20, 10, 40), (10, 20, 40, 20)])
def test_boxes_with_no_inside_have_no_mask(box: tuple[int, int, int, int]) -> None:
    maps = np.full((1, 64, 64), 9.0, np.float32)
    assert from_maps(maps, np.array([box], np.float64), (64, 64), logits=True).max() < 0.5
