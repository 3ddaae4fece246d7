"""Covering parts of a picture: nothing of them is left, everything else is as it was."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.frame import UPRIGHT, Frame, Orientation, plane_views
from streamer.render.cover import GRID_PX, METHODS, Cover, Method, cell_px, object_shape
from tests import fakes

DISC = (np.hypot(*np.mgrid[-16:17, -16:17]) <= 16).astype(np.float32)


def noisy(width: int, height: int, turn: Orientation = UPRIGHT) -> Frame:
    frame = fakes.frame(0)
    frame.picture = av.VideoFrame(width, height, "yuv420p")
    random = np.random.default_rng(1)
    for plane in plane_views(frame.picture):
        np.copyto(plane, random.integers(0, 256, plane.shape, np.uint8))
    frame.orientation = turn
    return frame


def upright_luma(frame: Frame, cover: Cover) -> tuple[np.ndarray, np.ndarray]:
    """Luma before and after, upright."""
    after = cover.covered(frame)
    return frame.luma(), frame.orientation.upright(plane_views(after)[0])


@settings(deadline=None)
@given(
    st.sampled_from(METHODS),
    st.integers(2, 130),
    st.integers(2, 90),
    st.tuples(*[st.floats(-200, 300)] * 4),
    st.floats(0, 40),
    st.booleans(),
    st.integers(0, 3),
    st.booleans(),
)
def test_any_shape_changes_nothing_outside_its_box(
    method: Method,
    width: int,
    height: int,
    corners: tuple[float, float, float, float],
    margin: float,
    masked: bool,
    turns: int,
    mirrored: bool,
) -> None:
    frame = noisy(width * 2, height * 2, Orientation(turns, mirrored))
    box = min(corners[0], corners[2]), min(corners[1], corners[3]), max(corners[0], corners[2]), max(corners[1], corners[3])
    shape = object_shape(box, DISC if masked else None, margin, method, frame.width, frame.height)
    before, after = upright_luma(frame, Cover(() if shape is None else (shape,)))
    reach = margin + 3 * GRID_PX
    outside = np.ones(before.shape, np.bool_)
    left, top = max(0, int(np.floor(box[0] - reach))), max(0, int(np.floor(box[1] - reach)))
    outside[top : max(0, int(np.ceil(box[3] + reach))), left : max(0, int(np.ceil(box[2] + reach)))] = False
    assert np.array_equal(before[outside], after[outside])


@pytest.mark.parametrize("turn", [UPRIGHT, Orientation(1), Orientation(2, True)])
@pytest.mark.parametrize("size", [(320, 240), (321, 241)])
def test_fill_covers_every_pixel_of_the_mask_and_its_margin(turn: Orientation, size: tuple[int, int]) -> None:
    frame = noisy(*size, turn)
    box = (101.3, 60.2, 171.9, 180.7)
    shape = object_shape(box, DISC, 9.0, "fill", frame.width, frame.height)
    assert shape is not None
    _, after = upright_luma(frame, Cover((shape,)))
    rows, columns = np.mgrid[0 : frame.height, 0 : frame.width] + 0.5
    across, down = (columns - (box[0] + box[2]) / 2) / (box[2] - box[0]), (rows - (box[1] + box[3]) / 2) / (box[3] - box[1])
    assert (after[np.hypot(across, down) <= 0.5] == 64).all()
    assert (after[(np.abs(rows - 120.45) < 1) & (np.abs(columns - box[2] - 4.0) < 3)] == 64).all(), "the margin, too"


@pytest.mark.parametrize("method", ["blur", "pixelate"])
def test_what_is_averaged_holds_a_few_cells_only(method: Method) -> None:
    frame = noisy(640, 480)
    shape = object_shape((200, 100, 280, 340), None, 8.0, method, 640, 480)
    assert shape is not None
    assert shape.cell_px == 32
    before, after = upright_luma(frame, Cover((shape,)))
    inner = (slice(112, 330), slice(208, 272))
    assert after[inner].std() < 0.1 * before[inner].std()
    assert len(np.unique(after[inner])) < 400


def test_a_mask_that_misses_much_of_its_box_is_not_believed() -> None:
    half = DISC.copy()
    half[:16] = 0  # the head was not found
    shape = object_shape((40, 40, 80, 200), half, 8.0, "fill", 320, 240)
    assert shape is not None
    assert (shape.mask == 255).all()


def test_the_whole_picture_says_why() -> None:
    frame = noisy(320, 240)
    _, after = upright_luma(frame, Cover(whole="privacy: waiting for the detector"))
    assert (after[:60] == 64).all()
    assert after[110:130].std() > 20, "a label in the middle"
    tiny = noisy(2, 2)
    assert (upright_luma(tiny, Cover(whole="why"))[1] == 64).all()


def test_cells_come_in_few_sizes() -> None:
    assert {cell_px(side) for side in range(1, 3000)} == {8, 16, 32, 64, 128, 256}
