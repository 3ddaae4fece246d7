from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely import Point, Polygon, box

from streamer.analysis.geometry import Geometry
from streamer.analysis.observation import CELLS, observe
from streamer.analysis.places import InvalidPlace, Line, Zone
from streamer.instances import Instances

SIZE = (640, 480)


def star(seed: int, corners: int) -> tuple[tuple[float, float], ...]:
    """A polygon around a middle: no two of its edges cross."""
    rng = np.random.default_rng(seed)
    angles = (np.arange(corners) + rng.uniform(0.1, 0.9, corners)) * 2 * np.pi / corners
    radii = rng.uniform(0.1, 0.4, corners)
    return tuple(zip((0.5 + radii * np.cos(angles)).tolist(), (0.5 + radii * np.sin(angles)).tolist(), strict=True))


def zones(seed: int, count: str) -> list[Zone]:
    made = []
    for number in range(3):
        try:
            made.append(Zone(name=str(number), polygon=star(seed + number, 3 + number * 2), count=count))  # type: ignore[arg-type]  # a word of the three
        except InvalidPlace:
            assume(False)
    return made


def boxes(seed: int, n: int) -> Instances:
    rng = np.random.default_rng(seed)
    corner, side = rng.uniform(-50, 600, (n, 2)), rng.uniform(1, 200, (n, 2))
    found = Instances(
        boxes_xyxy=np.concatenate([corner, corner + side], axis=1).astype(np.float32),
        scores=np.full(n, 0.9, np.float32),
        class_ids=np.ones(n, np.int64),
    )
    return found.usable(*SIZE)


@given(st.integers(0, 10**6), st.sampled_from(["foot", "centre"]))
@settings(deadline=None)
def test_points_are_inside_where_shapely_says_so(seed: int, count: str) -> None:
    watched = zones(seed, count)
    objects = observe(boxes(seed, 20), *SIZE)
    seen = Geometry(watched, [], SIZE).see(objects)
    points = objects.feet_xy if count == "foot" else (objects.boxes_xyxy[:, :2] + objects.boxes_xyxy[:, 2:]) / 2
    for column, zone in enumerate(watched):
        polygon = Polygon([(x * SIZE[0], y * SIZE[1]) for x, y in zone.polygon])
        for row, point in enumerate(points.tolist()):
            if polygon.boundary.distance(Point(point)) > 0.1:
                assert seen.inside[row, column] == polygon.contains(Point(point))


@given(st.integers(0, 10**6))
@settings(deadline=None)
def test_the_share_of_a_box_is_its_area_within(seed: int) -> None:
    watched = zones(seed, "coverage")
    objects = observe(boxes(seed, 20), *SIZE)
    seen = Geometry(watched, [], SIZE).see(objects)
    for column, zone in enumerate(watched):
        polygon = Polygon([(x * SIZE[0], y * SIZE[1]) for x, y in zone.polygon])
        for row, (x0, y0, x1, y1) in enumerate(objects.boxes_xyxy.tolist()):
            if min(x1 - x0, y1 - y0) > CELLS:
                area = polygon.intersection(box(x0, y0, x1, y1)).area / ((x1 - x0) * (y1 - y0))
                assert seen.shares[row, column] == pytest.approx(area, abs=0.06)


def test_forty_zones_by_coverage_are_told_apart() -> None:
    watched = [
        Zone(name=str(n), polygon=((n / 40, 0.0), ((n + 1) / 40, 0.0), ((n + 1) / 40, 1.0), (n / 40, 1.0)), count="coverage")
        for n in range(40)
    ]
    one = Instances(
        boxes_xyxy=np.array([[35 * 16 + 1, 100, 36 * 16 - 1, 200]], np.float32),
        scores=np.ones(1, np.float32),
        class_ids=np.ones(1, np.int64),
    )
    seen = Geometry(watched, [], SIZE).see(observe(one, *SIZE))
    assert np.flatnonzero(seen.inside[0]).tolist() == [35]


def test_what_stands_on_the_picture_s_edge_is_in_a_zone_that_ends_there() -> None:
    whole = Zone(name="whole", polygon=((0, 0), (1, 0), (1, 1), (0, 1)))
    found = boxes(1, 50)
    assert Geometry([whole], [], SIZE).see(observe(found, *SIZE)).inside.all()


def test_in_is_to_the_right_of_who_looks_along_the_line() -> None:
    line = Line(name="gate", points=((0, 0.5), (1, 0.5)))
    below = Instances(
        boxes_xyxy=np.array([[300, 200, 340, 300]], np.float32), scores=np.ones(1, np.float32), class_ids=np.ones(1, np.int64)
    )
    assert Geometry([], [line], SIZE).see(observe(below, *SIZE)).distances[0, 0] == pytest.approx(60)
