"""What is in a square around a box, and where the cells of the box lie in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.detectors.crops import BEYOND, Square

CELLS = 96
spans = st.tuples(st.floats(-40, 300), st.floats(1.5, 400))
any_span = st.tuples(st.floats(-5000, 5000), st.floats(0, 5000))


@given(horizontal=spans, vertical=spans)
@settings(max_examples=60, deadline=None)
def test_cells_are_read_where_they_lie(horizontal: tuple[float, float], vertical: tuple[float, float]) -> None:
    """A map that is a ramp, so each cell says where it was read."""
    (left, width), (top, height) = horizontal, vertical
    box = np.array([left, top, left + width, top + height], np.float32)
    square = Square.around(box, 0.1)
    ramp = np.ascontiguousarray(np.broadcast_to(np.arange(256, dtype=np.float32), (256, 256)))
    for axis, start in enumerate((square.left, square.top)):
        read = square.cells(ramp if axis == 0 else np.ascontiguousarray(ramp.T), box, CELLS)
        along = read[0] if axis == 0 else read[:, 0]
        at_px = box[axis] + (np.arange(CELLS) + 0.5) / CELLS * (box[axis + 2] - box[axis])
        assert np.abs(along - ((at_px - start) / square.side_px * 256 - 0.5)).max() <= 0.05


@given(
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    sides=st.tuples(*[st.floats(0, 1)] * 4),
    margin=st.floats(0, 1),
)
def test_a_square_within_the_picture_holds_the_box_and_little_beyond(
    size: tuple[int, int], sides: tuple[float, float, float, float], margin: float
) -> None:
    low, high = np.minimum(sides[:2], sides[2:]), np.maximum(sides[:2], sides[2:])
    box = np.concatenate([low * size, high * size]).astype(np.float32)
    around = Square.around(box, margin)
    within = around.within(*size)
    assert within.side_px <= around.side_px
    for start, side, length in zip((within.left, within.top), (0, 1), size, strict=True):
        end = start + within.side_px
        assert start <= box[side] + 0.01
        assert end >= box[side + 2] - 0.01
        beyond = max(0.0, -start) + max(0.0, end - length)
        assert beyond == pytest.approx(max(0.0, within.side_px - length), abs=0.01)


def test_a_square_that_fits_stays_where_it_is() -> None:
    around = Square.around(np.array([50, 60, 90, 140], np.float32), 0.3)
    assert around.within(400, 300) == around


@given(
    horizontal=any_span, vertical=any_span, size=st.tuples(st.integers(1, 90), st.integers(1, 90)), wanted=st.integers(1, 40)
)
@settings(max_examples=150, deadline=None)
def test_any_box_in_any_picture_gives_a_crop(
    horizontal: tuple[float, float], vertical: tuple[float, float], size: tuple[int, int], wanted: int
) -> None:
    (left, width), (top, height) = horizontal, vertical
    image = np.full((*size, 3), 200, np.uint8)  # bright: it stays as it is
    box = np.array([left, top, left + width, top + height], np.float32)
    crop = Square.around(box, 0.3).pixels(image, wanted)
    assert crop.shape == (wanted, wanted, 3)
    assert ((crop >= BEYOND[0]) & (crop <= 200)).all()


@pytest.mark.parametrize("zoom", [1, 3, 8])
@pytest.mark.parametrize("box", [(20, 30, 60, 90), (-30, 10, 40, 60), (100, 70, 170, 130), (0, 0, 120, 100)])
def test_a_crop_holds_what_is_there(zoom: int, box: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of two ramps, so each pixel of the crop says where it comes from, at any size of the picture."""
    rows, columns = np.mgrid[: 100 * zoom, : 120 * zoom] / zoom
    image = np.stack([columns * 2, rows * 2, np.full_like(rows, 255)], axis=-1).round().astype(np.uint8)
    square = Square.around(np.array(box, np.float32) * zoom, 0.1)
    monkeypatch.setattr("streamer.detectors.crops.USUAL_BRIGHTNESS", 0.0)
    crop = square.pixels(image, 64)
    middles = (np.arange(64) + 0.5) / 64 * square.side_px / zoom
    x, y = square.left / zoom + middles, square.top / zoom + middles
    inside = ((y > 3) & (y < 97))[:, None] & ((x > 3) & (x < 117))
    half = 0.5 / zoom
    assert np.abs(crop[..., 0] - 2 * (x[None, :] - half))[inside].max() <= 1.5
    assert np.abs(crop[..., 1] - 2 * (y[:, None] - half))[inside].max() <= 1.5
    beyond = (y < -3) | (y > 103)
    assert (crop[beyond] == BEYOND).all()


def test_fine_detail_of_a_large_picture_is_averaged() -> None:
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = Square.around(np.array([100, 100, 700, 700], np.float32), 0.0).pixels(stripes, 100)
    assert np.abs(crop.astype(int) - 127).max() <= 2


def test_a_crop_is_written_to_where_it_is_wanted() -> None:
    into = np.zeros((32, 32, 3), np.uint8)
    image: NDArray[np.uint8] = np.full((50, 50, 3), 177, np.uint8)
    Square.around(np.array([5, 5, 40, 40], np.float32), 0.0).pixels(image, 32, into=into)
    assert (into == 177).all()


@pytest.mark.parametrize(("value", "expected"), [(200, 200), (120, 120), (60, 120), (12, 120), (5, 50), (0, 0)])
def test_dark_crops_are_brightened(value: int, expected: int) -> None:
    image: NDArray[np.uint8] = np.full((50, 50, 3), value, np.uint8)
    crop = Square.around(np.array([5, 5, 40, 40], np.float32), 0.0).pixels(image, 32)
    assert (crop == expected).all()
    assert (image == value).all()
