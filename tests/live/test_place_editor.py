"""Zones and lines that pages change: at once, in the file, for all whose they are."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.analysis.places import Places
from streamer.config.live import RunConfig, load_run_config
from streamer.config.zones import places_of
from streamer.errors import ConfigError, StreamerError
from streamer.live.place_editor import PlaceEditor
from streamer.perception.analysed import Scene
from streamer.stages import Annotated
from streamer.web.zone_pages import Outdated
from tests import fakes
from tests.analysis.walks import scene as objects

LABELS = {1: "person", 2: "car"}
SQUARE = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]]
DOOR = {"name": "door", "points": SQUARE, "classes": ["person"], "count": "foot", "enter_after": 1.5}
WALL = """\
# Our cameras.
cameras:
  gate:
    source: "0"   # the webcam
    zones:
      # in pixels
      bay: {polygon: [[1, 2], [30, 4], [30, 40]]}
  yard: {source: "1", zones_file: shared.yaml}
  lane: {source: "2", zones_file: shared.yaml}
"""


class Running:
    """Scenes as a run has them, after their first frame, and what edits them."""

    def __init__(self, folder: Path, text: str = WALL, *, seen: bool = True) -> None:
        self.file, self.shared = folder / "wall.yaml", folder / "shared.yaml"
        self.file.write_text(text.replace("shared.yaml", str(self.shared)), encoding="utf-8")
        self.shared.write_text("lines:\n  way: {points: [[0, 0.5], [1, 0.5]]}\n", encoding="utf-8")
        config: RunConfig = load_run_config(self.file)
        cameras = config.resolved()
        self.scenes = {name: Scene(*places_of(camera), LABELS) for name, camera in cameras.items()}
        if seen:
            for scene in self.scenes.values():
                scene.fill(Annotated(fakes.frame(0), objects({})))
        self.editor = PlaceEditor(cameras, config.origin.document, self.scenes.get, single=False)

    def change(self, camera: str, *, save: bool = True, **said: Any) -> None:
        told = self.editor.told(camera)
        self.editor.change(
            camera, {"version": told["version"], "zones": told["zones"], "lines": told["lines"]} | said, save=save
        )


@pytest.fixture
def running(tmp_path: Path) -> Running:
    return Running(tmp_path)


def test_what_is_drawn_is_watched_at_once_and_stands_in_the_file_beside_its_comments(running: Running) -> None:
    told = running.editor.told("gate")
    assert (told["file"], told["why_not"], told["why_not_saved"], told["classes"]) == ("wall.yaml", "", "", ["car", "person"])
    running.file.chmod(0o600)  # it may hold passwords
    running.change("gate", zones=[*told["zones"], DOOR])
    door = running.scenes["gate"].places.zones[1]
    assert (door.name, door.classes, door.enter_after_s) == ("door", frozenset({"person"}), 1.5)
    text = running.file.read_text(encoding="utf-8")
    assert "# the webcam" in text
    assert "# in pixels\n      bay: {polygon: [[1, 2], [30, 4], [30, 40]]}\n      door:\n" in text, "what was not moved stays"
    assert stat.S_IMODE(running.file.stat().st_mode) == 0o600
    assert places_of(load_run_config(running.file).resolved()["gate"]) == running.scenes["gate"].places
    assert not running.editor.told("gate")["unsaved"]
    assert [path.name for path in running.file.parent.iterdir() if path.name.startswith(".")] == []


def test_what_is_used_until_the_next_start_leaves_the_file_alone(running: Running) -> None:
    before = running.file.read_bytes()
    running.change("gate", save=False, zones=[DOOR])
    assert [zone.name for zone in running.scenes["gate"].places.zones] == ["door"]
    assert running.file.read_bytes() == before
    assert running.editor.told("gate")["unsaved"]
    running.change("gate")
    assert not running.editor.told("gate")["unsaved"]
    assert b"door" in running.file.read_bytes()


def test_cameras_with_one_file_of_zones_change_together(running: Running) -> None:
    assert running.editor.told("yard")["shared_with"] == ["lane"]
    running.change("yard", zones=[DOOR])
    for name in ("yard", "lane"):
        assert [zone.name for zone in running.scenes[name].places.zones] == ["door"]
    assert running.shared.read_text(encoding="utf-8").startswith(
        "lines:\n  way: {points: [[0, 0.5], [1, 0.5]]}\nzones:\n  door:"
    )
    with pytest.raises(ConfigError, match="must hold a zone or a line"):
        running.change("yard", zones=[], lines=[])
    assert running.scenes["lane"].places.lines


def test_two_who_change_the_same_do_not_undo_each_others_work(running: Running) -> None:
    old = running.editor.told("gate")
    running.change("gate", zones=[DOOR])
    with pytest.raises(Outdated, match="Somebody else"):
        running.editor.change("gate", {**old, "zones": []}, save=True)
    text = running.file.read_text(encoding="utf-8").replace("enter_after: 1.5", "enter_after: 9")
    running.file.write_text(text, encoding="utf-8")
    with pytest.raises(Outdated, match="by hand"):
        running.change("gate", zones=[])
    assert running.file.read_text(encoding="utf-8") == text
    assert running.scenes["gate"].places.zones


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"zones": [DOOR, DOOR]}, "'door' is there twice"),
        ({"zones": [DOOR], "lines": [{"name": "door", "points": [[0, 0], [1, 1]]}]}, "'door' is there twice"),
        ({"zones": [DOOR | {"classes": ["cta"]}]}, "knows no class 'cta'"),
        ({"zones": [DOOR | {"points": [[0, 0], [1, 1], [1, 0], [0, 1]]}]}, "zones.door.polygon: its edges cross"),
        ({"zones": [DOOR | {"points": [[0, 0], [1, 1]]}]}, "three points or more"),
        ({"zones": [DOOR | {"points": [[0, 0], [900, 0], [0, 900]]}]}, "shares of the picture"),
        ({"zones": [DOOR | {"enter_after": -1}]}, "enter_after: expected seconds"),
        ({"zones": [DOOR | {"extra": 1}]}, "unknown key"),
        ({"zones": [DOOR | {"name": " door"}]}, "expected a name"),
        ({"zones": [DOOR | {"name": ""}]}, "expected a name"),
        ({"zones": {}}, "zones: expected a list"),
        ({"lines": [{"name": "x", "points": [[0, 0], [1, 1]], "count": "coverage"}]}, "foot or centre"),
    ],
)
def test_what_cannot_be_changes_nothing(running: Running, said: dict[str, Any], complaint: str) -> None:
    before, text = running.scenes["gate"].places, running.file.read_bytes()
    with pytest.raises(ConfigError, match=complaint):
        running.change("gate", **said)
    assert running.scenes["gate"].places == before
    assert running.file.read_bytes() == text


def test_zones_that_events_or_counts_need_stay(tmp_path: Path) -> None:
    text = WALL.replace(
        'source: "0"', f'events: {tmp_path}\n    event_zones: [bay]\n    counts: {tmp_path}/c.csv\n    source: "0"'
    )
    running = Running(tmp_path, text)
    with pytest.raises(ConfigError, match="there is no zone 'bay'"):
        running.change("gate", zones=[DOOR])


@pytest.mark.parametrize("before", ["", "---\n"])
def test_the_last_line_of_a_file_of_zones_stays(running: Running, before: str) -> None:
    text = before + running.shared.read_text(encoding="utf-8")
    running.shared.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^shared\.yaml must hold a zone or a line"):
        running.change("yard", lines=[])
    assert running.shared.read_text(encoding="utf-8") == text


def test_a_file_that_may_not_be_written_is_said_to_be_so(running: Running) -> None:
    running.file.chmod(0o444)
    assert running.editor.told("gate")["why_not_saved"] == "wall.yaml may not be written to"
    with pytest.raises(ConfigError, match="may not be written to"):
        running.change("gate", zones=[DOOR])
    running.change("gate", save=False, zones=[DOOR])
    told = running.editor.told("gate")
    assert running.editor.as_yaml("gate", told).startswith("zones:\n  door:\n    polygon: [[0.1, 0.1]")
    running.file.unlink()
    assert running.editor.told("gate")["why_not_saved"] == "wall.yaml is not there any more"


def test_without_a_file_or_before_the_first_picture_it_is_told_why_not(tmp_path: Path) -> None:
    running = Running(tmp_path, seen=False)
    told = running.editor.told("gate")
    assert (told["zones"], "No picture" in told["why_not"]) == ([], True)
    with pytest.raises(ConfigError, match="No picture"):
        running.change("gate", zones=[DOOR])
    config = load_run_config(running.file)
    alone = PlaceEditor(config.resolved(), None, running.scenes.get, single=True)
    assert alone.told("gate")["why_not_saved"] == "streamer runs without a settings file"
    with pytest.raises(KeyError):
        alone.told("nobody")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
PLACE = st.fixed_dictionaries(
    {
        "name": st.text(max_size=3) | JSON,
        "points": st.lists(st.lists(st.floats() | st.integers(), max_size=3), max_size=5) | JSON,
    },
    optional={"classes": JSON, "count": JSON, "coverage": JSON, "enter_after": JSON, "leave_after": JSON},
)


@given(st.lists(PLACE, max_size=3) | JSON, st.lists(PLACE, max_size=3) | JSON)
@settings(deadline=None, max_examples=150)
def test_whatever_is_sent_is_taken_or_refused_in_words(zones: Any, lines: Any) -> None:
    counted = Scene((), (), LABELS)
    counted.fill(Annotated(fakes.frame(0), objects({})))
    config = RunConfig.model_validate({"cameras": {"gate": {"source": "0"}}}).resolved()
    editor = PlaceEditor(config, None, {"gate": counted}.get, single=False)
    said = {"version": editor.told("gate")["version"], "zones": zones, "lines": lines}
    try:
        editor.change("gate", said, save=False)
    except StreamerError:
        assert counted.places == Places()
    else:
        assert editor.told("gate")["why_not"] == ""
        editor.as_yaml("gate", editor.told("gate"))
