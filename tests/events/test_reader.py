from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from streamer.errors import ConfigError, OutputWriteFailed
from streamer.events.query import EventQuery
from streamer.events.reader import EventReader, Names
from streamer.events.store import EventStore
from tests.events.happenings import event


def test_it_reads_what_another_one_writes_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with EventStore(path) as store, EventReader(path) as reader:
        assert reader.events() == []
        store.record(event(1))
        store.record(event(2, camera="yard", classes=("car", "person"), scores=(0.5, 0.9), zones=()))
        assert [each.id for each in reader.events()] == [event(2).id, event(1).id]
        assert reader.events(EventQuery(before_id=event(2).id)) == [event(1)]
        assert reader.names() == Names(("gate", "yard"), ("car", "person"), ("door",))
        with store._transaction():
            assert len(reader.events()) == 2, "who writes holds nobody up"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["events.db"], "the file is whole when all have closed it"


def test_it_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with pytest.raises(ConfigError, match="unable to open"):
        EventReader(path)
    assert not path.exists()
    EventStore(path).close()
    with EventReader(path) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._reader.execute("DELETE FROM events")


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_a_file_of_something_else_is_said_to_be_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.db"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"events\.db"):
        EventReader(path)


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"id": 1}'])
def test_a_damaged_event_is_said_to_be_one(tmp_path: Path, body: str) -> None:
    path = tmp_path / "events.db"
    with EventStore(path) as store:
        store.record(event())
        store._connection.execute("UPDATE events SET body = ?", (body,))
        with EventReader(path) as reader, pytest.raises(OutputWriteFailed, match=r"events\.db cannot be read"):
            reader.events()
