"""Masks relative to their boxes, cut from maps of the whole input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamer.detectors.exported.grid_masks import LEAST_CELLS, MOST_CELLS, cells_for, from_maps, from_prototypes


def test_masks_are_finer_for_larger_objects() -> None:
    assert cells_for(np.array([[0.0, 0.0, 5.0, 9.0]])) == LEAST_CELLS
    assert cells_for(np.array([[0.0, 0.0, 5.0, 9.0], [10.0, 0.0, 50.0, 60.0]])) == 90
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
        prototypes, np.array([[9, -9], [-9, 9]], np.float32), np.array([[0.0, 0.0, 320.0, 160.0]] * 2), (320, 160)
    )
    np.testing.assert_allclose(made[0], 1.0 - made[1], atol=1e-5)
    assert made[0, 10].min() > 0.99


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
