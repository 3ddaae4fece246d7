"""Tags: their pixels and their places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.render.labels import painted, place, tag
from streamer.render.masks import Region
from streamer.render.palette import Yuv


def overlap(a: Region, b: Region) -> bool:
    return a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1


@pytest.mark.parametrize("size_px", [9, 13, 21, 38])
@pytest.mark.parametrize("text", ["person 0.92", "dog", "Größe · 120 ms", "人物 #7", ""])
def test_a_tag_holds_its_text_with_room_on_all_sides(text: str, size_px: int) -> None:
    label = tag(text, size_px)
    assert label.width % 2 == label.height % 2 == 0
    assert label.body.shape == label.text.shape
    assert label.body[label.height // 2].min() > 250, "the tag is filled from side to side"
    assert label.body[0, 0] < 128, "its corners are round"
    if text:
        rows, columns = np.nonzero(label.text > 128)
        assert rows.min() >= 1
        assert rows.max() <= label.height - 2
        assert columns.min() >= 2
        assert columns.max() <= label.width - 3
    else:
        assert not label.text.any()


def test_letters_with_accents_and_descenders_keep_the_height_of_the_tag() -> None:
    assert len({tag(text, 21).height for text in ("aaa", "Ágy", "jÖq", "0.92")}) == 1


def test_paint_shows_the_colours_of_tag_and_text() -> None:
    body, letters = Yuv(100, 90, 200), Yuv(235, 128, 128)
    layer, label = painted(("person", 40, 1.0), body, letters), tag("person", 40)
    luma, cb, _ = layer.planes(layer.paint)
    assert set(luma[label.text == 255].tolist()) == {letters.y}
    inside = (label.text == 0) & (label.body == 255)
    assert set(luma[inside].tolist()) == {body.y}
    assert layer.planes(layer.kept)[0][inside].max() == 0
    middle = cb[cb.shape[0] // 2, 1]
    assert abs(int(middle) - body.u) <= 1


def test_the_first_place_is_above_the_box_then_inside_its_top() -> None:
    assert place((60, 20), Region(30, 50, 90, 120), [], 200, 150) == Region(30, 30, 90, 50)
    assert place((60, 20), Region(30, 10, 90, 120), [], 200, 150) == Region(30, 10, 90, 30)


def test_a_place_that_is_taken_is_left_alone() -> None:
    taken = [Region(30, 30, 90, 50), Region(20, 50, 60, 70)]
    assert place((60, 20), Region(30, 50, 90, 120), taken, 200, 150) == Region(30, 120, 90, 140)


def test_a_low_box_is_not_hidden_by_its_tag() -> None:
    box = Region(30, 50, 44, 80)
    above = place((60, 20), box, [], 200, 150)
    assert above == Region(30, 30, 90, 50)
    below = place((60, 20), box, [Region(30, 30, 90, 50)], 200, 150)
    assert below == Region(30, 80, 90, 100)
    wall = [Region(0, 0, 200, 50), Region(0, 80, 200, 150)]
    assert place((60, 20), box, wall, 200, 150) == Region(44, 55, 104, 75)
    assert place((60, 20), box, [*wall, Region(44, 50, 200, 80)], 200, 150) is None


def test_a_tag_hides_no_other_small_object() -> None:
    box, neighbour = Region(30, 50, 44, 80), Region(50, 34, 60, 46)
    assert place((60, 20), box, [], 200, 150, [box, neighbour]) == Region(30, 80, 90, 100)
    corner = Region(80, 20, 120, 60)
    assert place((60, 20), box, [], 200, 150, [box, corner]) == Region(30, 30, 90, 50), "a corner of it may be hidden"


@pytest.mark.parametrize("stretch", [0.5, 0.75, 16 / 11, 2.0])
def test_a_stretched_tag_is_as_high_and_so_many_times_as_wide(stretch: float) -> None:
    plain, stretched = tag("person 0.92", 40), tag("person 0.92", 40, stretch)
    assert stretched.height == pytest.approx(plain.height, abs=2)
    assert stretched.width == pytest.approx(plain.width * stretch, rel=0.03)
    columns, rows = (np.nonzero(stretched.text.max(axis=axis) > 128)[0] for axis in (0, 1))
    plain_columns, plain_rows = (np.nonzero(plain.text.max(axis=axis) > 128)[0] for axis in (0, 1))
    assert np.ptp(columns) == pytest.approx(np.ptp(plain_columns) * stretch, rel=0.03)
    assert np.ptp(rows) == pytest.approx(np.ptp(plain_rows), abs=2)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(16, 300), st.integers(16, 300), st.integers(0, 299), st.integers(0, 299), st.integers(2, 90), st.integers(2, 40)
)
def test_a_tag_that_fits_the_picture_is_never_off_its_edge(width: int, height: int, x: int, y: int, w: int, h: int) -> None:
    x, y = min(x, width - 1), min(y, height - 1)
    spot = place((w, h), Region(x, y, width, height), [], width, height)
    if h > height or w > 2 * width:
        assert spot is None
        return
    assert spot is not None
    assert (spot.x1 - spot.x0, spot.y1 - spot.y0) == (w, h)
    assert spot.x0 >= 0
    assert spot.y0 >= 0
    assert spot.x1 <= max(width, w)
    assert spot.y1 <= height


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (17, 9), (4096, 2), (2, 4096)])
def test_a_picture_too_small_for_letters_gets_no_patches_of_them(size: tuple[int, int]) -> None:
    shape = tag("person 0.98", 9)
    assert place((shape.width, shape.height), Region(0, 0, *size), [], *size) is None


def test_the_tags_of_a_row_of_people_do_not_overlap() -> None:
    taken: list[Region] = []
    for person in range(6):
        box = Region(40 + 40 * person, 60, 90 + 40 * person, 200)
        spot = place((76, 20), box, taken, 400, 300)
        assert spot is not None
        taken.append(spot)
    assert not [(a, b) for i, a in enumerate(taken) for b in taken[:i] if overlap(a, b)]


def test_where_all_places_are_taken_there_is_none() -> None:
    box, wall = Region(10, 10, 90, 70), Region(0, 0, 100, 60)
    assert place((50, 20), box, [wall], 100, 70) is None
    assert place((50, 20), box, [wall], 100, 90) == Region(10, 70, 60, 90)
