"""Neighbours of one kind share no pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors.neighbours import overlapping, separate

CELLS = 48


def painted(boxes: NDArray[np.float32], masks: NDArray[np.float32]) -> list[NDArray[np.bool_]]:
    """Each mask on a picture of 200 x 200."""
    shown = []
    for (left, top, right, bottom), mask in zip(boxes.astype(int), masks, strict=True):
        whole = np.zeros((200, 200), np.bool_)
        whole[top:bottom, left:right] = np.asarray(cv2.resize(mask, (right - left, bottom - top))) > 0.5
        shown.append(whole)
    return shown


@pytest.mark.parametrize("second", [(60, 20, 120, 140), (40, 60, 100, 180), (50, 50, 80, 110), (20, 20, 80, 140)])
def test_what_both_claim_goes_to_one(second: tuple[int, int, int, int]) -> None:
    boxes = np.array([(20, 20, 80, 140), second], np.float32)
    full = np.ones((2, CELLS, CELLS), np.float32)
    before, after = painted(boxes, full), painted(boxes, separate(boxes, full, ["person", "person"]))
    shared = (before[0] & before[1]).sum()
    if second == (20, 20, 80, 140):
        # The very same box twice: nothing says whose it is, and both keep it.
        assert (after[0] & after[1]).sum() == shared
        return
    # Cells and pixels are not the same: what is left is a seam.
    assert (after[0] & after[1]).sum() <= 0.03 * shared
    assert ((after[0] | after[1]) & before[0] & before[1]).sum() >= 0.95 * shared


def test_other_kinds_and_things_without_masks_share_freely() -> None:
    boxes = np.array([(20, 20, 80, 140), (60, 20, 120, 140)], np.float32)
    full = np.ones((2, CELLS, CELLS), np.float32)
    np.testing.assert_array_equal(separate(boxes, full, ["person", "bicycle"]), full)
    np.testing.assert_array_equal(separate(boxes, full, ["person", None]), full)


def test_boxes_that_touch_do_not_overlap() -> None:
    boxes = np.array([(0, 0, 10, 10), (10, 0, 20, 10), (5, 5, 15, 15)], np.float32)
    assert overlapping(boxes, ["a", "a", "a"]) == [(0, 2), (1, 2), (2, 0), (2, 1)]
