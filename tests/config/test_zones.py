from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config.annotate import load_annotate_config
from streamer.config.live import load_run_config
from streamer.config.zones import load_places, places_of
from streamer.errors import ConfigError

GOOD = """\
zones:
  door:
    polygon: [[0.1, 0.1], [0.5, 0.1], [0.5, 0.9]]
    classes: [person]
    count: coverage
    coverage: 0.3
    enter_after: 0.5
    leave_after: 2
lines:
  gate:
    points: [[0, 240], [640, 240]]
"""


def test_a_file_of_zones_and_lines(tmp_path: Path) -> None:
    file = tmp_path / "zones.yaml"
    file.write_text(GOOD)
    zones, lines = load_places(file)
    assert (zones[0].name, zones[0].classes, zones[0].coverage, zones[0].leave_after_s) == (
        "door",
        frozenset({"person"}),
        0.3,
        2.0,
    )
    assert (lines[0].name, lines[0].points) == ("gate", ((0.0, 240.0), (640.0, 240.0)))


def test_they_may_stand_beside_all_else_and_a_named_file_takes_their_place(tmp_path: Path) -> None:
    settings = tmp_path / "annotate.yaml"
    settings.write_text(f"input: in.mp4\n{GOOD}")
    assert [zone.name for zone in places_of(load_annotate_config(settings, {})).zones] == ["door"]
    other = tmp_path / "zones.yaml"
    other.write_text(GOOD.replace("door", "yard"))
    config = load_annotate_config(settings, {"zones_file": other})
    assert [zone.name for zone in places_of(config).zones] == ["yard"]


def test_each_camera_has_its_own(tmp_path: Path) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_text(
        "defaults: {lines: {gate: {points: [[0, 0.5], [1, 0.5]]}}}\n"
        "cameras:\n"
        "  yard: {source: 'test:', zones: {door: {polygon: [[0, 0], [1, 0], [1, 1]]}}}\n"
        "  hall: {source: 'test:'}\n"
    )
    cameras = load_run_config(file).resolved()
    assert [len(places_of(cameras[name]).zones) for name in ("yard", "hall")] == [1, 0]
    assert [line.name for line in places_of(cameras["hall"]).lines] == ["gate"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "[[0.1, 0.1], [0.5, 0.1], [0.5, 0.9]]",
            "[[0, 0], [1, 1], [1, 0], [0, 1]]",
            "zones.yaml:3: zones.door.polygon: its edges",
        ),
        ("[[0.1, 0.1], [0.5, 0.1], [0.5, 0.9]]", "[[0, 0], [1, 1]]", "zones.yaml:3: zones.door.polygon: a polygon needs three"),
        (
            "[[0.1, 0.1], [0.5, 0.1], [0.5, 0.9]]",
            "[[0, 0], [0, 0], [1, 1]]",
            "zones.yaml:3: zones.door.polygon: the point [0, 0]",
        ),
        ("[[0.1, 0.1], [0.5, 0.1], [0.5, 0.9]]", "[[0, .nan], [1, 0], [1, 1]]", "zones.yaml:3: zones.door.polygon: the point"),
        ("[[0.1, 0.1], [0.5, 0.1], [0.5, 0.9]]", "[[0, 1.2], [1, 0], [1, 1]]", "zones.yaml:3: zones.door.polygon: the point"),
        ("[[0.1, 0.1], [0.5, 0.1], [0.5, 0.9]]", "[0, 1]", "zones.yaml:3: zones.door.polygon: 0 is no point"),
        ("[[0.1, 0.1], [0.5, 0.1], [0.5, 0.9]]", "here", "zones.yaml:3: zones.door.polygon: expected points"),
        ("coverage: 0.3", "coverage: 0", "zones.yaml:6: zones.door.coverage"),
        ("coverage: 0.3", "coverage: 2", "zones.yaml:6: zones.door.coverage: expected a number above 0, up to 1, got 2"),
        ("count: coverage", "count: feet", "zones.yaml:5: zones.door.count: expected foot, centre or coverage, got 'feet'"),
        ("enter_after: 0.5", "enter_after: -1", "zones.yaml:7: zones.door.enter_after"),
        ("polygon:", "polygons:", "zones.yaml:3: unknown key 'zones.door.polygons'"),
        ("  gate:", "  door:", "zones.yaml:10: lines.door: a zone has this name, too"),
        ("[[0, 240], [640, 240]]", "[[0, 240]]", "zones.yaml:11: lines.gate.points: a line needs two points"),
        (
            "lines:\n",
            "  door: {polygon: [[0, 0], [1, 0], [1, 1]]}\nlines:\n",
            "zones.yaml:9: door is there twice, first in line 2",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = tmp_path / "zones.yaml"
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_places(file)
    assert words in caught.value.message


def test_counts_need_something_to_count() -> None:
    with pytest.raises(ConfigError, match="counts: there are no zones"):
        places_of(load_annotate_config(None, {"input": "in.mp4", "counts": "counts.csv"}))


def test_a_file_without_any_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "zones.yaml"
    file.write_text("{}")
    with pytest.raises(ConfigError, match="no zones and no lines"):
        load_places(file)
