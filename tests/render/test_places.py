"""Zones and lines on the picture."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streamer.analysis.facts import SceneFacts
from streamer.analysis.places import InvalidPlace, Line, Places, Zone
from streamer.frame import UPRIGHT, Frame, Orientation, plane_views
from streamer.instances import Instances
from streamer.render.copies import upright_canvas
from streamer.render.cover import Cover
from streamer.render.palette import yuv_of
from streamer.render.places import PlacesDrawing
from streamer.render.renderer import Renderer, Style
from streamer.stages import Annotated
from tests import fakes

DOOR = Zone(name="door", polygon=((0.2, 0.3), (0.6, 0.3), (0.6, 0.8), (0.2, 0.8)))
GATE = Line(name="gate", points=((0.1, 0.5), (0.9, 0.5)))
FACTS = SceneFacts(inside=(2,), crossed=((3, 1),))


def gray(width: int, height: int, turn: Orientation = UPRIGHT) -> Frame:
    frame = fakes.frame(0)
    frame.picture, frame.orientation = av.VideoFrame(width, height, "yuv420p"), turn
    for plane in plane_views(frame.picture):
        plane[:] = 128
    return frame


def changed(frame: Frame, places: PlacesDrawing, facts: SceneFacts | None = FACTS, style: Style | None = None) -> np.ndarray:
    """Which pixels of the upright luma drawing changes."""
    item = Annotated(frame, Instances.empty(), facts=facts)
    Renderer({}, style=style, places=places)(item)
    assert item.picture is not None
    return np.asarray(frame.orientation.upright(plane_views(item.picture)[0]) != 128)


@pytest.mark.parametrize("turn", [UPRIGHT, Orientation(1), Orientation(2, True)])
@pytest.mark.parametrize("size", [(640, 360), (321, 241)])
def test_the_sides_of_a_zone_are_drawn_where_they_are(turn: Orientation, size: tuple[int, int]) -> None:
    frame = gray(*size, turn)
    drawn = changed(frame, PlacesDrawing([DOOR], []))
    width, height = frame.width, frame.height
    for x in np.linspace(0.25, 0.55, 7):
        assert drawn[round(0.8 * height - 0.5), round(x * width)], "the lower side"
    assert not drawn[round(0.7 * height), round(0.4 * width)], "not the inside"


def test_the_arrow_of_a_line_points_to_the_side_that_is_in() -> None:
    down = changed(gray(640, 360), PlacesDrawing([], [GATE]), None)
    below, above = down[186:, 315:325].sum(), down[:174, 315:325].sum()
    assert below > 0
    up = changed(gray(640, 360), PlacesDrawing([], [Line(name="gate", points=GATE.points[::-1])]), None)
    assert up[:174, 315:325].sum() > above


def test_counts_are_in_the_labels() -> None:
    places = PlacesDrawing([DOOR], [GATE])
    without, two = changed(gray(640, 360), places, None), changed(gray(640, 360), places)
    three = changed(gray(640, 360), places, SceneFacts(inside=(3,), crossed=((3, 1),)))
    assert two.sum() > without.sum()
    assert not np.array_equal(plane(places, FACTS), plane(places, SceneFacts(inside=(3,), crossed=((3, 1),))))
    assert three.any()


def test_nothing_is_written_where_it_says_why_the_picture_is_covered() -> None:
    cover = Cover(whole="privacy: waiting for the detector")
    zone = Zone(name="door", polygon=((0.4, 0.45), (0.6, 0.45), (0.6, 0.8), (0.4, 0.8)))
    gate = Line(name="gate", points=((0.1, 0.5), (0.9, 0.5)))
    found = Instances(
        boxes_xyxy=np.array([[250, 175, 400, 300]], np.float32), scores=np.ones(1, np.float32), class_ids=np.ones(1, np.int64)
    )
    item = Annotated(gray(640, 360), found, facts=FACTS, cover=cover)
    Renderer({1: "person"}, places=PlacesDrawing([zone], [gate]))(item)
    assert item.picture is not None
    with upright_canvas(item.clean(), UPRIGHT) as canvas:
        (words,) = cover.write(canvas, item.frame.picture)
    drawn, plain = (plane_views(picture)[0] for picture in (item.picture, item.clean()))
    # The corners of a tag are round: what is drawn shows there.
    inner = np.s_[words.y0 + 4 : words.y1 - 4, words.x0 + 4 : words.x1 - 4]
    assert np.array_equal(drawn[inner], plain[inner])
    assert not np.array_equal(drawn, plain)
    with upright_canvas(av.VideoFrame(640, 360, "yuv420p"), UPRIGHT) as canvas:
        taken = [words]
        PlacesDrawing([zone], [gate]).label(canvas, yuv_of(item.frame.picture), FACTS, taken, text_px=12, stretch=1.0)
    assert len(taken) == 3, "the line's label goes to one of its ends"


def plane(places: PlacesDrawing, facts: SceneFacts) -> np.ndarray:
    item = Annotated(gray(640, 360), Instances.empty(), facts=facts)
    Renderer({}, places=places)(item)
    assert item.picture is not None
    return plane_views(item.picture)[0].copy()


def test_the_facts_of_a_frame_say_which_zones_are_drawn() -> None:
    renderer = Renderer({}, places=PlacesDrawing([DOOR], []))

    def drawn(facts: SceneFacts | None) -> np.ndarray:
        item = Annotated(gray(640, 360), Instances.empty(), facts=facts)
        renderer(item)
        assert item.picture is not None
        return plane_views(item.picture)[0].copy()

    other = SceneFacts(crossed=((0, 0),), places=Places((), (GATE,)))
    assert np.array_equal(drawn(other), plane(PlacesDrawing([], [GATE]), other))
    assert drawn(None).any(), "a frame of which nothing is known shows what was there last"
    assert (drawn(SceneFacts(places=Places())) == 128).all()


def test_without_zones_in_the_style_nothing_is_drawn() -> None:
    frame = gray(64, 48)
    assert not changed(frame, PlacesDrawing([DOOR], [GATE]), style=Style(draw=frozenset({"masks"}))).any()


POINTS = st.tuples(st.floats(0, 1), st.floats(0, 1))


@given(st.lists(POINTS, min_size=3, max_size=6), POINTS, POINTS, st.integers(1, 80), st.integers(1, 60), st.booleans())
def test_any_places_can_be_drawn_on_any_picture(
    polygon: list[tuple[float, float]],
    first: tuple[float, float],
    second: tuple[float, float],
    width: int,
    height: int,
    odd: bool,
) -> None:
    zones, lines = [], []
    try:
        zones.append(Zone(name="z", polygon=tuple(polygon)))
        lines.append(Line(name="l", points=(first, second)))
    except InvalidPlace:
        pass
    assume(zones or lines)
    frame = gray(2 * width + odd, 2 * height + odd)
    item = Annotated(frame, Instances.empty(), facts=None)
    Renderer({}, places=PlacesDrawing(zones, lines), sample_aspect_ratio=Fraction(4, 3))(item)
    assert item.picture is not None
    assert (item.picture.width, item.picture.pts) == (frame.picture.width, frame.pts)
