"""Neighbours of one kind share no pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors.neighbours import overlapping, separate

CELLS = 48
EVEN = np.array([0.8, 0.8], np.float32)


def painted(boxes: NDArray[np.float32], masks: NDArray[np.float32]) -> list[NDArray[np.bool_]]:
    """Each mask on a picture of 200 x 200."""
    shown = []
    for (left, top, right, bottom), mask in zip(boxes.astype(int), masks, strict=True):
        whole = np.zeros((200, 200), np.bool_)
        whole[top:bottom, left:right] = np.asarray(cv2.resize(mask, (right - left, bottom - top))) > 0.5
        shown.append(whole)
    return shown


@pytest.mark.parametrize("second", [(60, 20, 120, 140), (40, 60, 100, 180), (60, 50, 95, 110)])
def test_what_both_claim_goes_to_one(second: tuple[int, int, int, int]) -> None:
    boxes = np.array([(20, 20, 80, 140), second], np.float32)
    full = np.ones((2, CELLS, CELLS), np.float32)
    before, after = painted(boxes, full), painted(boxes, separate(boxes, EVEN, full, ["person", "person"]))
    shared = (before[0] & before[1]).sum()
    # Cells and pixels are not the same: what is left is a seam.
    assert (after[0] & after[1]).sum() <= 0.03 * shared
    assert ((after[0] | after[1]) & before[0] & before[1]).sum() >= 0.95 * shared


def parted(second: tuple[int, int, int, int], score: float) -> tuple[list[NDArray[np.bool_]], list[NDArray[np.bool_]]]:
    """A person in (20, 20, 80, 140) of score 0.8 and one in ``second``, before and after."""
    boxes = np.array([(20, 20, 80, 140), second], np.float32)
    full = np.ones((2, CELLS, CELLS), np.float32)
    return painted(boxes, full), painted(boxes, separate(boxes, np.array([0.8, score], np.float32), full, ["person"] * 2))


@pytest.mark.parametrize("second", [(20, 20, 80, 140), (18, 22, 82, 143), (20, 20, 80, 100)])
@pytest.mark.parametrize("score", [0.5, 0.9])
def test_what_is_found_twice_is_not_cut_in_two(second: tuple[int, int, int, int], score: float) -> None:
    before, after = parted(second, score)
    surer = int(score > 0.8)
    np.testing.assert_array_equal(after[surer], before[surer])
    assert not (after[0] & after[1]).sum() > 0.03 * before[0].sum()


def test_a_child_before_an_adult_keeps_its_head() -> None:
    before, after = parted((35, 80, 65, 140), 0.7)
    np.testing.assert_array_equal(after[1], before[1])
    assert (after[0] & after[1]).sum() <= 0.1 * before[1].sum()


def test_a_part_of_a_person_found_again_takes_nothing_of_it() -> None:
    before, after = parted((25, 20, 75, 70), 0.4)
    np.testing.assert_array_equal(after[0], before[0])
    assert not after[1].any()


def test_other_kinds_and_things_without_masks_share_freely() -> None:
    boxes = np.array([(20, 20, 80, 140), (60, 20, 120, 140)], np.float32)
    full = np.ones((2, CELLS, CELLS), np.float32)
    np.testing.assert_array_equal(separate(boxes, EVEN, full, ["person", "bicycle"]), full)
    np.testing.assert_array_equal(separate(boxes, EVEN, full, ["person", None]), full)


def test_boxes_that_touch_do_not_overlap() -> None:
    boxes = np.array([(0, 0, 10, 10), (10, 0, 20, 10), (5, 5, 15, 15)], np.float32)
    assert overlapping(boxes, ["a", "a", "a"]) == [(0, 2), (1, 2), (2, 0), (2, 1)]
