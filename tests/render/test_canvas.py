"""Laying paint on the planes."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.frame import Plane
from streamer.render.canvas import Canvas
from streamer.render.masks import Region
from streamer.render.palette import Yuv
from tests.render.scenes import landscape

PAINT = Yuv(200, 40, 220)


def canvas(width: int = 40, height: int = 30, shift: int = 0) -> Canvas:
    """A canvas of any size; a shift needs room for one more chroma sample."""
    luma, cb, cr = landscape(width + shift, height + shift)
    return Canvas(np.ascontiguousarray(luma[:height, :width]), cb, cr, shift, shift)


def test_nothing_changes_where_all_is_kept() -> None:
    target = canvas()
    before = [plane.copy() for plane in target[:3]]
    target.blend(np.full((30, 40), 255, np.uint8), 0, 0, PAINT)
    for plane, old in zip(target[:3], before, strict=True):
        assert np.array_equal(plane, old)


def test_nothing_kept_is_the_colour_itself_and_half_kept_lies_between() -> None:
    target = canvas()
    before = target.luma.copy()
    kept = np.zeros((10, 12), np.uint8)
    kept[:, 6:] = 127
    target.blend(kept, 4, 8, PAINT)
    assert set(target.luma[8:18, 4:10].ravel().tolist()) == {PAINT.y}
    assert set(target.cb[4:9, 2:5].ravel().tolist()) == {PAINT.u}
    assert set(target.cr[4:9, 2:5].ravel().tolist()) == {PAINT.v}
    between = (before[8:18, 10:16].astype(float) + PAINT.y) / 2
    np.testing.assert_allclose(target.luma[8:18, 10:16], between, atol=1.5)


def test_chroma_takes_the_mean_of_the_four_pixels_it_covers() -> None:
    target = canvas()
    before = target.cb.copy()
    kept = np.full((2, 2), 255, np.uint8)
    kept[0, 0] = 0
    target.blend(kept, 20, 10, PAINT)
    assert target.cb[5, 10] == pytest.approx(before[5, 10] * 0.75 + PAINT.u * 0.25, abs=1.5)
    before[5, 10] = target.cb[5, 10]
    assert np.array_equal(target.cb, before)


@pytest.mark.parametrize("shift", [0, 1])
def test_paint_over_every_edge_is_cut(shift: int) -> None:
    target = canvas(41, 31, shift)
    kept = np.zeros((44, 52), np.uint8)
    region = target.aligned(Region(0, 0, 41, 31))
    target.blend(kept[: region.y1 - region.y0, : region.x1 - region.x0], region.x0, region.y0, PAINT)
    for plane, sample in zip(target[:3], PAINT, strict=True):
        assert set(plane.ravel().tolist()) == {sample}
    target.blend(kept, 60 - shift, 60 - shift, Yuv(0, 0, 0))  # wholly outside
    assert target.luma.min() == PAINT.y


@pytest.mark.parametrize("opacity", [1.0, 0.5])
@pytest.mark.parametrize("shift", [0, 1])
def test_a_frame_is_crisp_and_has_no_colour_fringe(shift: int, opacity: float) -> None:
    target = canvas(40, 30, shift)
    before: list[Plane] = [plane.copy() for plane in target[:3]]
    region = target.snapped(np.array([7.3, 5.8, 31.2, 24.9], np.float32))
    assert region is not None
    target.frame(region, 2, PAINT, opacity)
    changed = [plane != old for plane, old in zip(target[:3], before, strict=True)]
    x0, y0, x1, y1 = region
    ring = np.zeros((30, 40), np.bool_)
    ring[y0:y1, x0:x1] = True
    ring[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2] = False
    assert np.array_equal(changed[0], ring)
    covered = np.zeros_like(changed[1])
    rows, columns = np.nonzero(ring)
    covered[(rows + shift) // 2, (columns + shift) // 2] = True
    assert np.array_equal(changed[1], covered)
    expected = before[0][ring] * (1 - opacity) + PAINT.y * opacity
    np.testing.assert_allclose(target.luma[ring], expected, atol=1)


@pytest.mark.parametrize("box", [(np.nan, 0, 9, 9), (9, 0, 3, 9), (0, 0, np.inf, 4), (5, 5, 5, 9)])
def test_no_box_is_no_region(box: tuple[float, float, float, float]) -> None:
    assert canvas().snapped(np.array(box, np.float32)) is None
