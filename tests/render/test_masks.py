"""Where the pixels of a mask lie, against a float reference that is written from the definition."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.instances import Bools, Floats
from streamer.render.masks import FIELD_END, Region, binary_crop, crop_mask, edge_field, extent, pixels_of
from tests.render.scenes import disc, figure

SIZES = (0.4, 1.0, 3.3, 9.7, 28.0, 61.5, 140.2, 333.3, 900.1)
PLACES = (-40.6, -3.25, 0.0, 0.5, 17.13, 60.75, 150.5)
WIDTH, HEIGHT = 170, 130


def reference(mask: Floats, box: Floats, width: int, height: int) -> NDArray[np.float64]:
    """Bilinear between cell centres, 0 outside, in double precision, for every pixel centre of the picture."""

    def weights(count: int, low: float, high: float, cells: int) -> NDArray[np.float64]:
        in_cells = (np.arange(count) + 0.5 - low) * cells / (high - low) - 0.5
        return np.asarray(np.maximum(0, 1 - np.abs(in_cells[:, None] - np.arange(cells))), np.float64)

    left, top, right, bottom = box.astype(np.float64)
    rows, columns = weights(height, top, bottom, mask.shape[0]), weights(width, left, right, mask.shape[1])
    return np.asarray(rows @ mask.astype(np.float64) @ columns.T, np.float64)


def pasted(x0: int, y0: int, crop: NDArray[np.generic], width: int, height: int) -> NDArray[np.float64]:
    """A crop in the whole picture."""
    full = np.zeros((height, width))
    full[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] = crop
    return full


def more_than_a_pixel_off(got: Bools, expected: Bools) -> int:
    """Pixels set where no neighbour should be, or clear where all neighbours are set; the picture's edge goes on as it is."""
    padded = np.pad(expected.astype(np.uint8), 1, mode="edge")
    square = np.ones((3, 3), np.uint8)
    grown = np.asarray(cv2.dilate(padded, square))[1:-1, 1:-1] > 0
    shrunk = np.asarray(cv2.erode(padded, square))[1:-1, 1:-1] > 0
    return int((got & ~grown).sum() + (~got & shrunk).sum())


def field_of(mask: Floats, box: Floats, width: int, height: int) -> NDArray[np.int16]:
    """The edge field in the whole picture, as the renderer takes it."""
    full = np.full((height + 1, width + 1), -FIELD_END, np.int16)
    solid = extent(mask, box)
    region = Region(0, 0, 0, 0) if solid is None else pixels_of(solid, 2, width, height)
    if not region.empty:
        even = Region(region.x0 // 2 * 2, region.y0 // 2 * 2, -(-region.x1 // 2) * 2, -(-region.y1 // 2) * 2)
        full[even.y0 : even.y1, even.x0 : even.x1] = edge_field(mask, box, even)
    return full[:height, :width]


@pytest.mark.slow
@pytest.mark.parametrize("cells", [7, 28, 33])
@pytest.mark.parametrize("shape", [figure, disc])
def test_masks_lie_within_a_pixel_of_the_reference_at_any_size_and_place(shape, cells) -> None:  # type: ignore[no-untyped-def]  # parametrised
    mask = shape(cells)
    for size in SIZES:
        for place in PLACES:
            box = np.array([place, place * 0.7, place + size, place * 0.7 + size * 1.3], np.float32)
            expected = reference(mask, box, WIDTH, HEIGHT)
            x0, y0, probabilities = crop_mask(mask, box, WIDTH, HEIGHT)
            crop = expected[y0 : y0 + probabilities.shape[0], x0 : x0 + probabilities.shape[1]]
            np.testing.assert_allclose(probabilities, crop, atol=1e-4, err_msg=str(box))
            binary = pasted(*binary_crop(mask, box, WIDTH, HEIGHT), WIDTH, HEIGHT) > 0
            certain = np.abs(expected - 0.5) > 1e-4
            assert np.array_equal(binary[certain], (expected > 0.5)[certain]), box
            assert more_than_a_pixel_off(field_of(mask, box, WIDTH, HEIGHT) > 0, expected > 0.5) == 0, box


def test_a_full_mask_ends_exactly_at_its_box() -> None:
    mask = np.ones((28, 28), np.float32)
    x0, y0, inside = binary_crop(mask, np.array([10, 20, 47, 90], np.float32), 100, 100)
    assert (x0, y0, inside.shape) == (10, 20, (70, 37))
    assert inside[1:-1, 1:-1].all()
    assert inside.sum() >= 70 * 37 - 4  # at a corner both directions fall off


def test_the_edge_field_is_a_distance_in_pixels() -> None:
    cells = 32
    ramp = np.tile(np.clip(np.linspace(-1, 2, cells, dtype=np.float32), 0, 1), (cells, 1))  # an upright edge in the middle
    for width in (64.0, 320.0, 1280.0):
        box = np.array([0, 0, width, width], np.float32)
        field = edge_field(ramp, box, Region(0, 0, int(width), int(width)))
        row = field[int(width) // 2].astype(float)
        middle = int(width) // 2
        distance = row[middle - 4 : middle + 4] / FIELD_END * 8
        np.testing.assert_allclose(distance, np.arange(-3.5, 4), atol=0.3)


def test_an_empty_mask_has_no_extent() -> None:
    assert extent(np.full((14, 14), 0.4, np.float32), np.array([0, 0, 9, 9], np.float32)) is None


coordinates = st.floats(-400, 600, width=32)
lengths = st.floats(0.0625, 900, width=32)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(coordinates, coordinates, lengths, lengths, st.sampled_from([5, 14, 28]), st.integers(0, 2**32 - 1))
def test_any_box_stays_inside_the_picture_and_keeps_its_area(
    x: float, y: float, width: float, height: float, cells: int, seed: int
) -> None:
    mask = np.random.default_rng(seed).random((cells, cells), np.float32)
    box = np.array([x, y, x + width, y + height], np.float32)
    x0, y0, inside = binary_crop(mask, box, 200, 150)
    assert 0 <= x0 <= x0 + inside.shape[1] <= 200
    assert 0 <= y0 <= y0 + inside.shape[0] <= 150
    if box[2] > box[0] and box[3] > box[1]:
        expected = reference(mask, box, 200, 150)
        sure = int((expected > 0.5 + 1e-3).sum())
        perhaps = int((expected > 0.5 - 1e-3).sum())
        assert sure <= int(inside.sum()) <= perhaps


anything = st.floats(allow_nan=True, allow_infinity=True, width=32)


@settings(max_examples=150, deadline=None)
@given(anything, anything, anything, anything)
def test_no_box_at_all_raises(left: float, top: float, right: float, bottom: float) -> None:
    box = np.array([left, top, right, bottom], np.float32)
    x0, y0, inside = binary_crop(np.ones((8, 8), np.float32), box, 64, 48)
    assert x0 + inside.shape[1] <= 64
    assert y0 + inside.shape[0] <= 48
