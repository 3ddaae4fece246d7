"""On a full disk the oldest footage of all cameras makes room, and what events need goes last."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from streamer.sinks.retention import Retention, segment_name

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def retention(folder: Path, stem: str, current: Path | None = None, *, of_events: bool = False) -> Retention:
    return Retention(
        folder,
        stem,
        segment_s=60,
        keep_hours=None,
        keep_bytes=None,
        current=lambda: current,
        utc=lambda: START,
        of_events=of_events,
    )


def segment(folder: Path, stem: str, minutes: int) -> Path:
    path = folder / segment_name(stem, START + timedelta(minutes=minutes))
    path.write_bytes(b"x")
    return path


def test_the_oldest_footage_of_all_cameras_goes_first_and_that_of_events_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard, event = segment(tmp_path, "yard", 0), segment(tmp_path, "door", -5)
    gate = [segment(tmp_path, "gate", minutes) for minutes in (1, 2, 3)]
    others = [retention(tmp_path, "yard"), retention(tmp_path, "door", of_events=True)]
    writing = retention(tmp_path, "gate", gate[2])
    free = iter([0, *[10**12] * 9])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    assert writing.make_room() == yard
    assert sorted(tmp_path.iterdir()) == sorted([event, *gate[1:]]), "one was not enough, two were"
    assert writing.make_room() == gate[1]
    assert writing.make_room() == event, "of events, when nothing else is left"
    assert writing.make_room() is None
    assert list(tmp_path.iterdir()) == [gate[2]], "what is being written stays"
    assert len(others) == 2  # they live until here
