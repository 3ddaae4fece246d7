"""Masks of all kinds as probabilities relative to the box."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors.box_masks import CELLS, box_masks

WIDE = (640, 360)
SQUARE = (256, 256)
BOXES = np.array([[0.25, 0.25, 0.5, 0.75], [0.6, 0.1, 0.9, 0.4]])
"""Left, top, right, bottom as fractions."""


def in_boxes(cells: int = 33) -> NDArray[np.float32]:
    """Relative to the box: a disc, and the left half."""
    y, x = (np.mgrid[:cells, :cells] + 0.5) / cells
    return np.stack([(x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.25, x < 0.5]).astype(np.float32)


def in_picture(width: int, height: int) -> NDArray[np.float32]:
    """The same objects, pasted into a picture of that size."""
    y, x = np.mgrid[:height, :width] + 0.5
    pasted = []
    for kind, (left, top, right, bottom) in enumerate(BOXES * [width, height, width, height]):
        u, v = (x - left) / (right - left), (y - top) / (bottom - top)
        shape = (u - 0.5) ** 2 + (v - 0.5) ** 2 < 0.25 if kind == 0 else u < 0.5
        pasted.append(shape & (u > 0) & (u < 1) & (v > 0) & (v < 1))
    return np.stack(pasted).astype(np.float32)


def agree(masks: NDArray[np.float32] | None, picture: tuple[int, int]) -> None:
    """With what they were before they were pasted, but for the edges, which a small picture shows coarsely."""
    assert masks is not None
    assert masks.shape == (2, CELLS, CELLS)
    assert np.mean((masks > 0.5) != (in_boxes(CELLS) > 0.5)) < max(0.02, 5 / min(picture))


@pytest.mark.parametrize("cells", [1, 15, 28, 33, 112])
@pytest.mark.parametrize("picture", [WIDE, SQUARE, (33, 33), (112, 112)])
def test_masks_relative_to_the_box_stay_as_they_are(cells: int, picture: tuple[int, int]) -> None:
    masks = in_boxes(cells)
    np.testing.assert_array_equal(box_masks(masks, BOXES, picture, "model"), masks)


@pytest.mark.parametrize("picture", [WIDE, (360, 640), SQUARE, (1024, 1024), (101, 67), (90, 90)])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.bool_, np.int64])
def test_masks_of_the_pictures_size_are_cut_out(picture: tuple[int, int], dtype: type[np.generic]) -> None:
    agree(box_masks(in_picture(*picture).astype(dtype), BOXES, picture, "model"), picture)


def test_square_masks_of_a_stretched_picture_are_recognised_by_where_they_lie() -> None:
    """A model that pastes into the square that it stretches the picture to."""
    agree(box_masks(in_picture(512, 512), BOXES, WIDE, "model"), (512, 512))


def test_large_masks_relative_to_the_box_are_not_taken_for_pictures() -> None:
    masks = in_boxes(256)
    np.testing.assert_array_equal(box_masks(masks, BOXES, SQUARE, "model"), masks)


@pytest.mark.parametrize("shape", [(28, 14), (360, 639), (640, 360)])
def test_other_shapes_are_none(shape: tuple[int, int]) -> None:
    assert box_masks(np.zeros((2, *shape), np.float32), BOXES, WIDE, "model") is None


def test_bytes_are_scaled() -> None:
    masks = box_masks((in_boxes() * 255).astype(np.uint8), BOXES, WIDE, "model")
    np.testing.assert_array_equal(masks, in_boxes())


def test_logits_become_probabilities_and_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    logits = in_boxes() * 16 - 8
    for _ in range(2):
        masks = box_masks(logits, BOXES, WIDE, "logits model")
        assert masks is not None
        np.testing.assert_allclose(masks, in_boxes(), atol=1e-3)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_what_is_no_number_is_left_to_the_caller() -> None:
    masks = in_boxes()
    masks[0, 0, 0] = np.nan
    np.testing.assert_array_equal(box_masks(masks, BOXES, WIDE, "model"), masks)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -5.0])
def test_boxes_that_are_none_get_empty_masks(odd: float) -> None:
    boxes = BOXES.copy()
    boxes[0, 2] = odd
    masks = box_masks(in_picture(*WIDE), boxes, WIDE, "model")
    assert masks is not None
    assert not masks[0].any()
    assert masks[1].any()


def test_no_rows_are_no_masks() -> None:
    for shape in ((0, 33, 33), (0, 360, 640), (0, 256, 256)):
        masks = box_masks(np.zeros(shape, np.float32), np.zeros((0, 4)), WIDE, "model")
        assert masks is not None
        assert len(masks) == 0
        assert masks.shape[1] == masks.shape[2]


def test_a_box_beyond_the_edge_keeps_what_lies_in_the_picture() -> None:
    boxes = np.array([[-0.25, 0.0, 0.25, 1.0]])
    masks = np.zeros((1, 100, 200), np.uint8)
    masks[0, :, :50] = 1
    cut = box_masks(masks, boxes, (200, 100), "model")
    assert cut is not None
    assert (cut[0, :, CELLS // 2 :] > 0.9).all()
