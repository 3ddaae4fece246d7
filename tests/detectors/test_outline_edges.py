"""Masks move to the edges of the picture."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from streamer.detectors.outline_edges import refine

planes = arrays(np.float32, (24, 24), elements=st.floats(0, 1, width=32))


def test_a_mask_moves_to_the_edge_nearby() -> None:
    luma = np.full((96, 96), 0.8, np.float32)
    luma[30:70, 30:70] = 0.3
    mask = np.zeros_like(luma)
    mask[27:73, 27:73] = 1.0  # too large by three cells on each side
    refined = refine(mask, luma) > 0.5
    truth = luma < 0.5
    assert (refined & truth).sum() / (refined | truth).sum() > 0.97
    assert (truth.sum() / (mask > 0.5).sum()) < 0.8


def test_where_the_picture_has_no_edge_the_mask_stays() -> None:
    mask = np.zeros((96, 96), np.float32)
    mask[20:76, 20:76] = 1.0
    refined = refine(mask, np.full_like(mask, 0.5)) > 0.5
    assert (refined & (mask > 0.5)).sum() / (refined | (mask > 0.5)).sum() > 0.94  # its corners are rounded


def test_dots_of_the_surroundings_tear_no_holes() -> None:
    luma = np.full((96, 96), 0.8, np.float32)
    luma[30:70, 30:70] = 0.3
    luma[30:70:7, 30:70:7] = 0.8  # as bright as what is around the object
    mask = np.zeros_like(luma)
    mask[28:72, 28:72] = 1.0
    refined = (refine(mask, luma) > 0.5).astype(np.uint8)
    assert cv2.connectedComponents(1 - refined)[0] == 2  # label 0 is the object
    assert cv2.connectedComponents(refined)[0] == 2


@given(mask=planes, luma=planes)
@settings(max_examples=60, deadline=None)
def test_probabilities_stay_probabilities(mask: NDArray[np.float32], luma: NDArray[np.float32]) -> None:
    refined = refine(mask, luma)
    assert refined.dtype == np.float32
    assert ((refined >= 0) & (refined <= 1)).all()
    np.testing.assert_allclose(refine(np.zeros_like(luma), luma), 0.0, atol=1e-5)
    np.testing.assert_allclose(refine(np.ones_like(luma), luma), 1.0, atol=1e-3)
