"""Run lengths and polygons, judged by pycocotools on picture-sized masks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from streamer.instances import Bools, Instances
from streamer.render.masks import binary_crop
from streamer.sinks.coco_masks import Crop, Rle, crops, pixels, pixels_within, polygons, rles, run_counts


@st.composite
def placed_crops(draw: st.DrawFn) -> tuple[Crop, int, int]:
    """A crop somewhere in a small picture, touching its edges often, and the picture's width and height."""
    width, height = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    x0, x1 = sorted((draw(st.integers(0, width)), draw(st.integers(0, width))))
    y0, y1 = sorted((draw(st.integers(0, height)), draw(st.integers(0, height))))
    bits = draw(st.lists(st.booleans(), min_size=(x1 - x0) * (y1 - y0), max_size=(x1 - x0) * (y1 - y0)))
    return Crop(x0, y0, np.array(bits, np.bool_).reshape(y1 - y0, x1 - x0)), width, height


def whole(crop: Crop, width: int, height: int) -> Bools:
    """The picture-sized mask."""
    picture = np.zeros((height, width), np.bool_)
    h, w = crop.mask.shape
    picture[crop.y0 : crop.y0 + h, crop.x0 : crop.x0 + w] = crop.mask
    return picture


@given(placed_crops())
def test_run_lengths_are_those_of_pycocotools(placed: tuple[Crop, int, int]) -> None:
    crop, width, height = placed
    expected = coco_mask.encode(np.asfortranarray(whole(crop, width, height).astype(np.uint8)))
    assert rles([crop], width, height) == [{"size": [height, width], "counts": expected["counts"].decode()}]


@given(placed_crops())
def test_run_lengths_cover_the_picture(placed: tuple[Crop, int, int]) -> None:
    crop, width, height = placed
    counts = run_counts(crop, width, height)
    assert counts.sum() == width * height
    assert counts[1::2].sum() == crop.mask.sum()


def test_a_crop_of_the_whole_picture_runs_on_from_column_to_column() -> None:
    assert run_counts(Crop(0, 0, np.ones((2, 3), np.bool_)), 3, 2).tolist() == [0, 6]


def test_an_empty_crop_at_the_far_corner() -> None:
    assert run_counts(Crop(3, 2, np.zeros((0, 0), np.bool_)), 3, 2).tolist() == [6]


def test_a_crop_that_is_a_view_with_gaps() -> None:
    big = np.indices((8, 10)).sum(axis=0) % 3 == 0
    crop = Crop(2, 1, big[1:7:2, 2:9])
    expected = coco_mask.encode(np.asfortranarray(whole(crop, 12, 9).astype(np.uint8)))
    assert rles([crop], 12, 9) == [{"size": [9, 12], "counts": expected["counts"].decode()}]


def test_instances_without_a_mask_stay_without() -> None:
    masks = np.ones((2, 4, 4), np.float32)
    found = Instances(
        boxes_xyxy=np.array([[1, 1, 5, 5], [2, 2, 6, 4]], np.float32),
        scores=np.ones(2, np.float32),
        class_ids=np.ones(2, np.int64),
        masks=masks,
        has_mask=np.array([False, True]),
    )
    first, second = rles(crops(found, 8, 8), 8, 8)
    assert first is None
    picture = whole(Crop(*binary_crop(masks[1], found.boxes_xyxy[1], 8, 8)), 8, 8)
    assert picture.sum() == 8
    assert second == {
        "size": [8, 8],
        "counts": coco_mask.encode(np.asfortranarray(picture.astype(np.uint8)))["counts"].decode(),
    }
    boxes_only = Instances(boxes_xyxy=found.boxes_xyxy, scores=found.scores, class_ids=found.class_ids)
    assert rles(crops(boxes_only, 8, 8), 8, 8) == [None, None]


def test_no_instances() -> None:
    assert rles(crops(Instances.empty(), 8, 8), 8, 8) == []


def test_a_single_pixel_is_a_square_of_side_1() -> None:
    (outline,) = polygons(Crop(7, 3, np.ones((1, 1), np.bool_)))
    points = {(outline[i], outline[i + 1]) for i in range(0, len(outline), 2)}
    assert points == {(7.0, 3.0), (8.0, 3.0), (8.0, 4.0), (7.0, 4.0)}


def test_a_rectangle_keeps_its_corners() -> None:
    (outline,) = polygons(Crop(2, 1, np.ones((3, 5), np.bool_)))
    assert sorted(zip(outline[::2], outline[1::2], strict=True)) == [(2.0, 1.0), (2.0, 4.0), (7.0, 1.0), (7.0, 4.0)]


def test_parts_come_largest_first_and_holes_are_filled() -> None:
    mask = np.zeros((20, 40), np.bool_)
    mask[2:4, 2:4] = True
    mask[5:15, 20:35] = True
    mask[8:11, 25:28] = False
    ring, dot = polygons(Crop(0, 0, mask))
    assert cv2.contourArea(np.array(ring, np.float32).reshape(-1, 2)) == 150
    assert cv2.contourArea(np.array(dot, np.float32).reshape(-1, 2)) == 4


def test_nothing_has_no_outline() -> None:
    assert polygons(Crop(0, 0, np.zeros((4, 5), np.bool_))) == []
    assert polygons(Crop(0, 0, np.zeros((0, 5), np.bool_))) == []


@given(placed_crops())
def test_every_polygon_is_one_for_coco(placed: tuple[Crop, int, int]) -> None:
    crop, width, height = placed
    for outline in polygons(crop):
        assert len(outline) >= 6
        assert len(outline) % 2 == 0
        points = np.array(outline).reshape(-1, 2)
        assert (points >= 0).all()
        assert (points <= [width, height]).all()
        assert coco_mask.area(coco_mask.frPyObjects([outline], height, width)[0]) <= width * height


@pytest.mark.parametrize("size", [(9, 7), (40, 25), (300, 180)])
def test_polygons_cover_what_the_mask_covers(size: tuple[int, int]) -> None:
    width, height = size
    rows, columns = np.indices((height, width)) + 0.5
    mask = ((columns / width - 0.5) / 0.5) ** 2 + ((rows / height - 0.5) / 0.5) ** 2 < 1
    crop = Crop(11, 5, mask)
    drawn = coco_mask.merge(coco_mask.frPyObjects(polygons(crop), height + 9, width + 20))
    exact = rles([crop], width + 20, height + 9)
    assert coco_mask.iou([drawn], exact, [False])[0, 0] > (0.85 if width < 10 else 0.97)


@given(placed_crops())
def test_run_lengths_become_pixels_again(placed: tuple[Crop, int, int]) -> None:
    crop, width, height = placed
    (rle,) = rles([crop], width, height)
    assert rle is not None
    np.testing.assert_array_equal(pixels(rle), whole(crop, width, height))


@pytest.mark.parametrize("counts", ["", "4", "~", "Q", "é4", "PPPPPPPPPP1"])
def test_run_lengths_that_do_not_fill_the_picture(counts: str) -> None:
    with pytest.raises(ValueError, match=r"do not fill|does not belong|cut short|longer|ascii"):
        pixels(Rle(size=[5, 5], counts=counts))


def test_polygons_become_pixels_again() -> None:
    crop = Crop(2, 1, np.ones((3, 4), np.bool_))
    np.testing.assert_array_equal(pixels_within(polygons(crop), 9, 7), whole(crop, 9, 7))
    assert not pixels_within([], 9, 7).any()
