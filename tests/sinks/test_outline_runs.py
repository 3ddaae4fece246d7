"""Run lengths from outlines, judged by those of the pixels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.render.masks import THRESHOLD, binary_crop, crop_mask
from streamer.render.rounding import levels_of, mask_of
from streamer.sinks.coco_masks import Crop, run_counts
from streamer.sinks.outline_runs import outline_runs
from tests.render.scenes import figure

UNSURE = 1e-4
"""So near the threshold either way of reckoning may round to the other side."""


def pixels(counts: NDArray[np.uint32], width: int, height: int) -> NDArray[np.bool_]:
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T


@given(
    st.sampled_from([(1, 1), (7, 1), (33, 21), (200, 150), (640, 360)]),
    st.sampled_from([1, 2, 5, 14, 33, 56]),
    st.sampled_from(["soft", "figure", "levels", "hard"]),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
)
def test_they_are_those_of_the_pixels(size: tuple[int, int], cells: int, kind: str, count: int, seed: int) -> None:
    rng, (width, height) = np.random.default_rng(seed), size
    masks = rng.random((count, cells, cells), np.float32)
    if kind == "figure":
        masks[:] = figure(cells)
    elif kind == "levels":
        masks = mask_of(levels_of(masks))
    elif kind == "hard":
        masks = np.asarray(masks > 0.5, np.float32)
    sides = np.exp(rng.uniform(np.log(0.05), np.log(3 * width + 3), (count, 2)))
    middles = rng.uniform(-0.3, 1.3, (count, 2)) * [width, height]
    boxes = np.hstack([middles - sides / 2, middles + sides / 2]).astype(np.float32)
    for mask, box, counts in zip(masks, boxes, outline_runs(masks, boxes, width, height), strict=True):
        assert counts.sum() == width * height
        assert (counts[1:] > 0).all(), "no run of nothing"
        x0, y0, probabilities = crop_mask(mask, box, width, height)
        whole = np.zeros((height, width), np.float32)
        whole[y0 : y0 + probabilities.shape[0], x0 : x0 + probabilities.shape[1]] = probabilities
        sure = np.abs(whole - THRESHOLD) > UNSURE
        assert np.array_equal(pixels(counts, width, height)[sure], (whole > THRESHOLD)[sure]), box


def test_a_run_goes_on_from_column_to_column() -> None:
    masks, boxes = np.ones((2, 3, 3), np.float32), np.array([[-30, -30, 40, 40], [2, -9, 4, 19]], np.float32)
    assert [counts.tolist() for counts in outline_runs(masks, boxes, 6, 5)] == [[0, 30], [10, 10, 10]]


def test_masks_that_are_worked_on_one_after_the_other_are_all_there() -> None:
    rng = np.random.default_rng(3)
    masks, corners = np.tile(figure(28), (90, 1, 1)), rng.uniform(0, 1500, (90, 2))
    boxes = np.hstack([corners, corners + rng.uniform(20, 300, (90, 2))]).astype(np.float32)
    for mask, box, counts in zip(masks, boxes, outline_runs(masks, boxes, 1920, 1080), strict=True):
        expected = run_counts(Crop(*binary_crop(mask, box, 1920, 1080)), 1920, 1080)
        assert abs(int(counts[1::2].sum()) - int(expected[1::2].sum())) <= 2


def test_boxes_without_area_or_outside_hold_nothing() -> None:
    boxes = np.array([[5, 5, 5, 9], [-20, 0, -4, 8], [9, 8, 7, 3], [2, 2.5, 8, 2.5]], np.float32)
    assert [counts.tolist() for counts in outline_runs(np.ones((4, 4, 4), np.float32), boxes, 10, 8)] == [[80]] * 4
    assert outline_runs(np.zeros((0, 4, 4), np.float32), np.zeros((0, 4), np.float32), 10, 8) == []
