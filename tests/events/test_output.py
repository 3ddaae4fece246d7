"""The output that makes events: what becomes of them while the disk takes nothing."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.events.output import EventsOutput
from streamer.events.store import EventStore
from streamer.events.tracker import EventRules, EventTracker
from streamer.instances import Instances
from streamer.stages import Annotated, State
from tests.events.happenings import event
from tests.events.test_tracker import found
from tests.fakes import frame

FULL = "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
ROOM = "DROP TRIGGER full"
UTC = 1_770_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with EventStore(tmp_path / "events.db", targets=("webhook",)) as store:
        yield store


def output(store: EventStore, tmp_path: Path) -> EventsOutput:
    tracker = EventTracker("gate", EventRules(min_duration_s=0.2, merge_after_s=0.3), lambda _: "person")
    return EventsOutput(tmp_path, "gate", store, tracker, utc_of=lambda frame: UTC + frame.time_s)


def see(made: EventsOutput, *ticks: int, there: bool) -> None:
    """Frames by tenths of a second, with a person or without."""
    for tick in ticks:
        instances = found((tick // 100, 1)) if there else Instances.empty()
        made.write(Annotated(frame(tick, fps=10.0), instances))


def told(store: EventStore) -> list[tuple[str, int]]:
    """Kind and number of each change that waits to be sent, and the place of its event among all."""
    messages = store.outbox("webhook")
    ids = list(dict.fromkeys(message.event().id for message in messages))
    return [(message.kind, ids.index(message.event().id)) for message in messages]


def test_events_that_could_not_be_written_are_written_when_there_is_room_again(
    store: EventStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    made = output(store, tmp_path)
    store._connection.execute(FULL)
    see(made, *range(5), there=True)
    see(made, *range(5, 15), there=False)
    see(made, *range(100, 105), there=True)
    assert made.status().state is State.RECONNECTING
    assert "disk is full" in made.status().error
    store._connection.execute(ROOM)
    see(made, *range(105, 125), there=False)

    assert [change for change in told(store) if change[0] != "update"] == [("new", 0), ("end", 0), ("new", 1), ("end", 1)]
    first, second = reversed(store.events())
    assert (first.start_utc, second.start_utc) == (UTC, UTC + 10.0), "when they happened, not when they were written"
    assert (made.status().state, made.status().dropped) == (State.RUNNING, 0)
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if "disk is full" in line]) == 1
    assert len([line for line in lines if "can be written again" in line]) == 1


def test_what_a_killed_process_left_open_is_ended_when_there_is_room_again(store: EventStore, tmp_path: Path) -> None:
    store.record(event(1, seen_utc=UTC))
    store._connection.execute(FULL)
    made = output(store, tmp_path)
    assert store.open_events("gate")
    store._connection.execute(ROOM)
    see(made, 0, there=False)
    assert store.open_events("gate") == []
    assert told(store) == [("new", 0), ("end", 0)]


def test_what_is_never_written_is_named(store: EventStore, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = output(store, tmp_path)
    store._connection.execute(FULL)
    see(made, *range(5), there=True)
    made.finish()
    assert made.status().dropped == 2
    assert re.search(r"2 changes were never written, of 0\w{25}$", caplog.text, re.MULTILINE)


def test_a_disk_that_stays_full_holds_only_so_many_changes(store: EventStore, tmp_path: Path) -> None:
    made = output(store, tmp_path)
    store._connection.execute(FULL)
    for number in range(1_100):
        made._keep(event(number))
    made._write_kept()
    assert made.status().dropped == 100
    store._connection.execute(ROOM)
    made._write_kept()
    assert store.waiting("webhook") == 1000


def test_what_a_killed_process_left_beside_its_events_is_removed(store: EventStore, tmp_path: Path) -> None:
    known, unknown, folder = event(1), event(2), tmp_path / "gate"
    store.record(known)
    folder.mkdir()
    mine = [f"{unknown.id}.mp4", "gate.jpg", f"{unknown.id}-mine.jpg", ".other.jpg.part"]
    theirs = [f"{known.id}{ending}" for ending in (".jpg", "-clean.jpg")] + [f".{known.id}.mov.partial"]
    strays = [f"{unknown.id}.jpg", f"{unknown.id}-clean.jpg", f".{unknown.id}.jpg.part", f".{unknown.id}-clean.jpg.part"]
    strays += [f".{unknown.id}.partial.mkv", f".{unknown.id}.mov.partial", f".{unknown.id}-2.mp4.partial"]
    for name in (*mine, *theirs, *strays):
        (folder / name).touch()
    output(store, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*mine, *theirs])
