from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.analysis.places import InvalidPlace, Line, Zone, in_pixels

SQUARE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))


@pytest.mark.parametrize(
    ("polygon", "words"),
    [
        (((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)), "cross or touch each other at [0.5, 0.5]"),
        (((0.1, 0.1), (0.9, 0.9)), "three points"),
        ((), "three points"),
        (((0.1, 0.1), (0.5, 0.5), (0.9, 0.9)), "on one line"),
        (((0.1, 0.1), (0.1, 0.1), (0.9, 0.9), (0.1, 0.9)), "twice in a row"),
        ((*SQUARE, SQUARE[0]), "first one again"),
        (((0.1, 0.1), (0.9, math.nan), (0.9, 0.9)), "no place"),
        (((0.1, 0.1), (math.inf, 0.2), (0.9, 0.9)), "no place"),
        (((-0.1, 0.1), (0.9, 0.2), (0.9, 0.9)), "outside the picture"),
        (((0.1, 0.1), (1.2, 0.2), (0.9, 0.9)), "outside the picture"),
        (((0.1, 0.1), (0.5, 0.1), (0.5, 0.9), (0.5, 0.1), (0.9, 0.5)), "cross or touch"),
    ],
)
def test_a_zone_that_cannot_be_is_refused(polygon: tuple[tuple[float, float], ...], words: str) -> None:
    with pytest.raises(InvalidPlace) as caught:
        Zone(name="door", polygon=polygon)
    assert words in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("points", [(), ((0.1, 0.1),), ((0.1, 0.1), (0.1, 0.1)), ((0.1, 0.1), (0.2, 0.1), (0.3, 0.1))])
def test_a_line_has_two_ends(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(InvalidPlace):
        Line(name="gate", points=points)


@pytest.mark.parametrize("field", [{"coverage": 0.0}, {"coverage": 1.5}, {"enter_after_s": -1.0}, {"leave_after_s": math.nan}])
def test_numbers_that_cannot_be_are_refused(field: dict[str, float]) -> None:
    with pytest.raises(InvalidPlace):
        Zone(name="door", polygon=SQUARE, **field)  # type: ignore[arg-type]  # each is a number


def test_shares_become_pixels_and_pixels_stay() -> None:
    assert in_pixels(SQUARE, (200, 100))[2] == (180.0, 90.0)
    assert in_pixels(((0, 0), (200, 0), (200, 100)), (200, 100))[1] == (200, 0)
    with pytest.raises(InvalidPlace, match="outside the picture of 199x100"):
        in_pixels(((0, 0), (200, 0), (200, 100)), (199, 100))


coordinate = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 1) | st.floats(0, 2000)


@given(st.lists(st.tuples(coordinate, coordinate), max_size=8))
def test_any_polygon_is_taken_or_refused(polygon: list[tuple[float, float]]) -> None:
    with suppress(InvalidPlace):
        assert len(Zone(name="any", polygon=tuple(polygon)).polygon) >= 3
