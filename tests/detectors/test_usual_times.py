"""What a detector took the last time."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from streamer.detectors import usual_times
from streamer.detectors.usual_times import UsualTimes


def test_what_was_measured_is_known_the_next_time_by_detector_and_step(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "times.json"
    clock = itertools.count(0.0, 20.0)
    times = UsualTimes("big", path, lambda: next(clock))
    assert times.seconds("load") is None
    assert times.measured("load", lambda: "made") == "made"
    times.keep("call", 21.26)
    UsualTimes("other", path).keep("load", 5.0)
    again = UsualTimes("big", path)
    assert (again.seconds("load"), again.seconds("call"), again.seconds("warm_up")) == (20.0, 21.3, None)
    assert [entry.name for entry in path.parent.iterdir()] == ["times.json"]


def test_what_takes_no_time_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    UsualTimes("small", path).keep("load", 0.9)
    assert not path.exists()


@pytest.mark.parametrize("content", ["", "[1]", '{"big": 3}', '{"big": {"load": "x"}}', '{"big": {"load": true}}', "\xff"])
def test_a_file_that_holds_something_else_is_no_news(tmp_path: Path, content: str) -> None:
    path = tmp_path / "times.json"
    path.write_bytes(content.encode("latin1"))
    assert UsualTimes("big", path).seconds("load") is None
    UsualTimes("big", path).keep("load", 30.0)
    assert json.loads(path.read_text())["big"]["load"] == 30.0


def test_a_place_that_cannot_be_written_to_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    UsualTimes("big", tmp_path / "file" / "times.json").keep("load", 30.0)


def test_it_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert usual_times.file() == tmp_path / "streamer" / "usual-times.json"


def test_a_password_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    UsualTimes("hub:https://me:secret@example.test/model", path).keep("load", 30.0)
    assert "secret" not in path.read_text()
