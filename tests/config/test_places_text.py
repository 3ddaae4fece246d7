"""Zones and lines in files that people keep."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.analysis.places import Line, Places, Zone
from streamer.config.places_text import places_in, places_text, with_places
from streamer.errors import ConfigError

WALL = """\
# Our wall.
detector: nanodet   # small
web: 8080
defaults:
  events: out
cameras:
  gate:   # at the street
    source: ${CAM}
    zones:
      # who stands at the left
      left:
        polygon: [[0.05, 0.3], [0.45, 0.3], [0.45, 0.95]]   # by hand
        classes: [person]  # only them

      # about the bay
      bay:
        polygon:
        - [1, 2]
        - [30, 40]
        - [30, 50]
        count: coverage
      # the end of the zones
    lines:
      middle: {points: [[0.5, 0.2], [0.5, 1.0]]}   # the line
  # the second
  test: {source: 'test:'}   # none
# the end
"""
GATE = ("cameras", "gate")
OLD = "{old: {polygon: [[0, 0], [1, 0], [1, 1]]}}"
LEFT = Zone(name="left", polygon=((0.05, 0.3), (0.45, 0.3), (0.45, 0.95)), classes=frozenset({"person"}))
BAY = Zone(name="bay", polygon=((1, 2), (30, 40), (30, 50)), count="coverage")
MIDDLE = Line(name="middle", points=((0.5, 0.2), (0.5, 1.0)))
NEW = Zone(name="new", polygon=((0.1, 0.1), (0.2, 0.1), (0.2, 0.25)), enter_after_s=2.0)
ALL = Places((LEFT, BAY), (MIDDLE,))


def difference(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def changed(places: Places, text: str = WALL, location: tuple[str, ...] = GATE) -> list[str]:
    after = with_places(text, location, places, "wall.yaml")
    assert places_in(after, location, "wall.yaml") == places
    return difference(text, after)


def test_nothing_is_written_where_nothing_has_changed() -> None:
    assert places_in(WALL, GATE, "wall.yaml") == ALL
    assert with_places(WALL, GATE, ALL, "wall.yaml") == WALL


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (
            ALL._replace(zones=(replace(LEFT, polygon=((0.0, 0.3), (0.4, 0.3), (0.4, 0.9)), leave_after_s=3.0), BAY)),
            [
                "-        polygon: [[0.05, 0.3], [0.45, 0.3], [0.45, 0.95]]   # by hand",
                "+        polygon: [[0, 0.3], [0.4, 0.3], [0.4, 0.9]]   # by hand",
                "+        leave_after: 3",
            ],
        ),
        (
            ALL._replace(zones=(replace(LEFT, classes=None), replace(BAY, polygon=((2, 2), (30, 40), (30, 50))))),
            [
                "-        classes: [person]  # only them",
                "+        classes: [all]  # only them",
                "-        polygon:",
                "-        - [1, 2]",
                "-        - [30, 40]",
                "-        - [30, 50]",
                "+        polygon: [[2, 2], [30, 40], [30, 50]]",
            ],
        ),
        (
            ALL._replace(zones=(BAY,)),
            [
                "-      left:",
                "-        polygon: [[0.05, 0.3], [0.45, 0.3], [0.45, 0.95]]   # by hand",
                "-        classes: [person]  # only them",
            ],
        ),
        (
            ALL._replace(zones=(LEFT, BAY, NEW)),
            ["+      new:", "+        polygon: [[0.1, 0.1], [0.2, 0.1], [0.2, 0.25]]", "+        enter_after: 2"],
        ),
        (ALL._replace(zones=(replace(LEFT, name="on: the left"), BAY)), ["-      left:", "+      'on: the left':"]),
        (
            ALL._replace(lines=(replace(MIDDLE, count="centre"),)),
            [
                "-      middle: {points: [[0.5, 0.2], [0.5, 1.0]]}   # the line",
                "+      middle: {points: [[0.5, 0.2], [0.5, 1]], count: centre}   # the line",
            ],
        ),
        (ALL._replace(lines=()), ["-    lines:", "-      middle: {points: [[0.5, 0.2], [0.5, 1.0]]}   # the line"]),
        (
            ALL._replace(lines=(MIDDLE, replace(MIDDLE, name="yes", points=((0.1, 0.0), (0.1, 1.0))))),
            ["+      'yes':", "+        points: [[0.1, 0], [0.1, 1]]"],
        ),
    ],
    ids=["moved", "block style", "taken away", "added", "renamed", "flow style", "all lines", "another line"],
)
def test_only_what_is_other_is_written(places: Places, expected: list[str]) -> None:
    assert changed(places) == expected


def test_a_camera_on_one_line_gets_its_zones_there() -> None:
    assert changed(Places((NEW,)), location=("cameras", "test")) == [
        "-  test: {source: 'test:'}   # none",
        "+  test: {source: 'test:', zones: {new: {polygon: [[0.1, 0.1], [0.2, 0.1], [0.2, 0.25]], enter_after: 2}}}   # none",
    ]


def test_the_first_zones_of_a_camera_stand_under_it_in_the_indentation_of_the_file() -> None:
    text = "cameras:\n    gate:\n        source: 0\n        # zones: none yet\n    # the second\n    yard:\n        source: 1\n"
    assert changed(Places((NEW,), (MIDDLE,)), text) == [
        "+        zones:",
        "+            new:",
        "+                polygon: [[0.1, 0.1], [0.2, 0.1], [0.2, 0.25]]",
        "+                enter_after: 2",
        "+        lines:",
        "+            middle:",
        "+                points: [[0.5, 0.2], [0.5, 1]]",
    ]


def test_a_camera_may_have_other_zones_than_the_defaults_or_none() -> None:
    text = f"defaults:\n  zones: {OLD}\ncameras:\n  gate:\n    source: 0"
    old = places_in(text, GATE, "wall.yaml")
    assert changed(old, text) == []
    assert changed(Places(), text)[-1] == "+    zones: {}"
    empty = with_places(text, GATE, Places(), "wall.yaml")
    assert changed(Places((*old.zones, NEW)), empty)[0] == "-    zones: {}"
    assert changed(old, empty) == ["-    zones: {}", "+    zones:", "+      old:", "+        polygon: [[0, 0], [1, 0], [1, 1]]"]


@pytest.mark.parametrize(
    "text", ["", "# zones of the gate\n", "zones: {}\n", "zones:\n", "lines:\r\n  a: {points: [[0, 0], [1, 1]]}\r\n"]
)
def test_a_file_of_zones_may_be_empty_or_of_other_systems(text: str) -> None:
    after = with_places(text, (), Places((NEW,), (MIDDLE,)), "zones.yaml")
    assert places_in(after, (), "zones.yaml") == Places((NEW,), (MIDDLE,))
    assert ("\r\n" in after) == ("\r\n" in text)
    assert after.replace("\r\n", "").count("\n") == (0 if "\r\n" in text else after.count("\n"))


@pytest.mark.parametrize(
    "text",
    [
        f"cameras:\n  yard: {{source: 1, zones: &shared {OLD}}}\n  gate: {{source: 0, zones: *shared}}\n",
        f"cameras:\n  yard: &yard\n    source: 1\n    zones: {OLD}\n  gate: *yard\n",
        f"cameras:\n  gate: &gate\n    source: 1\n    zones: {OLD}\n  yard: *gate\n",
        "cameras: {yard: {source: 1}}\n",
    ],
)
def test_what_is_shared_is_not_changed_for_all(text: str) -> None:
    with pytest.raises(ConfigError):
        with_places(text, GATE, Places((NEW,)), "wall.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "base:\n  - &a [[0, 0], [1, 0], [1, 1]]\ncameras:\n  gate:\n    zones:\n      a:\n        polygon: *a\n",
        f"cameras:\r  gate:\r    zones:\r      old: {OLD[6:-1]}\r  yard: 1\r",
    ],
    ids=["ends with an alias", "lines end with CR"],
)
def test_a_file_that_an_edit_would_break_is_not_called_broken(text: str) -> None:
    places = places_in(text, GATE, "wall.yaml")
    with pytest.raises(ConfigError, match=r"^wall\.yaml: its zones and lines cannot be changed"):
        with_places(text, GATE, Places((*places.zones, NEW)), "wall.yaml")


def test_a_camera_with_merged_settings_gets_zones_of_its_own() -> None:
    text = f"base: &base\n  source: 1\n  zones: {OLD}\ncameras:\n  gate:\n    <<: *base\n    source: 2\n"
    assert changed(Places((NEW,)), text)[0] == "+    zones:"


def test_yaml_to_copy_is_what_a_file_may_hold() -> None:
    assert places_in(places_text(ALL), (), "zones.yaml") == ALL
    assert places_text(Places((NEW,))).startswith("zones:\n  new:\n    polygon: [[0.1,")


NAMES = st.sampled_from(["a", "b", "yes", "1", "x: y", "# no", "ü", "'", '"', "- z", "null"])
CORNERS = st.sampled_from([((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)), ((0.0, 0.0), (100.0, 0.0), (100.5, 70.0), (3.0, 60.0))])
CLASSES = st.sampled_from([None, frozenset({"person"}), frozenset({"traffic light", "c$r", "no"})])
ZONES = st.builds(Zone, name=NAMES, polygon=CORNERS, classes=CLASSES, coverage=st.sampled_from([0.5, 0.25]))
LINES = st.builds(Line, name=NAMES, points=st.just(((0.0, 0.5), (1.0, 0.5))), classes=CLASSES)
PLACES = st.builds(
    lambda zones, lines: Places(
        tuple({zone.name: zone for zone in zones}.values()),
        tuple({line.name: line for line in lines if line.name not in {zone.name for zone in zones}}.values()),
    ),
    st.lists(ZONES, max_size=4),
    st.lists(LINES, max_size=3),
)


@given(PLACES, PLACES, PLACES, st.sampled_from([2, 4, 7]), st.booleans(), st.booleans(), st.sampled_from(["\n", "\r\n"]))
@settings(deadline=None, max_examples=80)
def test_whatever_is_changed_to_whatever_all_else_stays(
    first: Places, second: Places, third: Places, indent: int, flow: bool, ended: bool, newline: str
) -> None:
    data: dict[str, Any] = {"detector": "x", "cameras": {"gate": {"source": "0"}, "yard": {"source": "1"}}}
    data["cameras"]["gate"] |= yaml.safe_load(places_text(first)) or {}
    dumped = yaml.safe_dump(
        data, indent=indent, default_flow_style=None if flow else False, sort_keys=False, allow_unicode=True
    )
    lines = [f"{line}  # {number}" for number, line in enumerate(dumped.splitlines())]
    text = newline.join(lines) + newline * ended
    for places in (second, third, first):
        text = with_places(text, GATE, places, "wall.yaml")
        found = places_in(text, GATE, "wall.yaml")
        assert {place.name: place for kind in found for place in kind} == {
            place.name: place for kind in places for place in kind
        }
        assert text.rstrip().splitlines()[-1] == lines[-1], "the other camera and its comment"
        if newline == "\r\n":
            assert "\n" not in text.replace("\r\n", "")
