from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.errors import ConfigError, OutputWriteFailed
from streamer.events.schema import VERSION
from streamer.events.store import EventStore
from tests.events.happenings import ended, event


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with EventStore(tmp_path / "events.db", targets=("mqtt", "webhook")) as store:
        yield store


def test_a_change_goes_to_the_events_and_to_each_outbox(store: EventStore) -> None:
    assert store.record(event()) == 1

    assert store.get(event().id) == event()
    for target in ("mqtt", "webhook"):
        (message,) = store.outbox(target)
        assert message.key == f"{event().id}-1"
        assert message.event() == event()
        assert json.loads(message.body)["key"] == message.key


def test_messages_wait_in_the_order_of_the_changes(store: EventStore) -> None:
    store.record(event(1))
    store.record(event(2))
    assert store.record(ended(1)) == 2

    assert [message.key for message in store.outbox("mqtt")] == [f"{event(1).id}-1", f"{event(2).id}-1", f"{event(1).id}-2"]
    assert store.open_events() == [event(2)]
    assert store.open_events("yard") == []


def test_what_one_target_has_taken_still_waits_for_the_other(store: EventStore) -> None:
    store.record(event())
    (message,) = store.outbox("mqtt")

    store.sent("mqtt", [message.seq])

    assert (store.outbox("mqtt"), store.waiting("mqtt"), store.waiting("webhook")) == ([], 0, 1)


def test_a_message_that_failed_waits_and_says_why(store: EventStore) -> None:
    store.record(event())
    (message,) = store.outbox("mqtt")

    store.failed("mqtt", message.seq, "no route to the broker")

    (again,) = store.outbox("mqtt")
    assert (again.key, again.attempts, again.reason) == (message.key, 1, "no route to the broker")


def test_a_message_that_was_given_up_is_a_dead_letter(store: EventStore) -> None:
    store.record(event())
    (message,) = store.outbox("mqtt")

    store.failed("mqtt", message.seq, "refused", give_up=True)

    assert store.outbox("mqtt") == []
    assert [dead.key for dead in store.dead_letters("mqtt")] == [message.key]


def test_another_start_finds_what_waits(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with EventStore(path, targets=("mqtt",)) as store:
        store.record(event())
    with EventStore(path, targets=("mqtt",)) as store:
        assert store.record(ended()) == 2
        assert [message.kind for message in store.outbox("mqtt")] == ["new", "end"]


def test_a_full_outbox_drops_the_oldest_updates_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with EventStore(tmp_path / "events.db", targets=("mqtt",), most_waiting=4) as store:
        store.record(event(1))
        for _ in range(3):
            store.record(event(1, kind="update"))
        store.record(ended(1))
        store.record(event(2))

        assert [message.key[-2:] for message in store.outbox("mqtt")] == ["-1", "-4", "-5", "-1"]
        assert (store.waiting("mqtt"), store.dropped("mqtt")) == (4, 2)
    assert "the outbox of mqtt is full: the 1 oldest messages (updates first) were dropped, 2 since the start" in caplog.text


def test_without_updates_a_full_outbox_drops_the_oldest(tmp_path: Path) -> None:
    with EventStore(tmp_path / "events.db", targets=("mqtt",), most_waiting=2) as store:
        for number in range(4):
            store.record(event(number))

        assert [message.event().id for message in store.outbox("mqtt")] == [event(2).id, event(3).id]
        assert store.get(event(0).id) == event(0), "the event itself stays"


def test_dead_letters_are_bounded_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with EventStore(tmp_path / "events.db", targets=("mqtt",), most_waiting=2) as store:
        for number in range(3):
            store.record(event(number))
            store.failed("mqtt", store.outbox("mqtt")[0].seq, "refused", give_up=True)

        assert [dead.event().id for dead in store.dead_letters("mqtt")] == [event(1).id, event(2).id]
    assert "the 1 oldest dead letters of mqtt were dropped" in caplog.text


def test_nothing_is_written_where_a_part_of_it_cannot_be(store: EventStore) -> None:
    store._connection.execute("CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'disk is full'); END")

    with pytest.raises(OutputWriteFailed, match=r"cannot be written: disk is full; make room"):
        store.record(event())

    assert store.get(event().id) is None
    store._connection.execute("DROP TRIGGER full")
    assert store.record(event()) == 1


def test_a_real_full_disk_loses_nothing_that_was_recorded(tmp_path: Path) -> None:
    with EventStore(tmp_path / "events.db", targets=("mqtt",)) as store:
        store.record(event(0))
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")

        def fill() -> None:
            for number in range(1, 1000):
                store.record(event(number))

        with pytest.raises(OutputWriteFailed, match="disk is full"):
            fill()

        kept = store.outbox("mqtt", 1000)
        assert store.waiting("mqtt") == len(kept) == len(store.open_events())
        assert store.get(event(len(kept)).id) is None


def test_many_threads_may_record(store: EventStore) -> None:
    def record(first: int) -> None:
        for number in range(first, first + 20):
            store.record(event(number))

    threads = [threading.Thread(target=record, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({message.key for message in store.outbox("mqtt", 1000)}) == 60 == store.waiting("mqtt")


def test_listeners_are_called_after_the_change_is_there(store: EventStore) -> None:
    seen: list[int] = []
    store.subscribe(lambda: seen.append(store.waiting("mqtt")))

    store.record(event())

    assert seen == [1]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_bytes(b"no database at all, but long enough to have a header" * 100)
    with pytest.raises(ConfigError, match="file is not a database"):
        EventStore(path)


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE songs (name TEXT)")
    other.close()
    with pytest.raises(ConfigError, match="is a database of something else"):
        EventStore(path)


def test_a_file_of_a_newer_streamer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with EventStore(path) as store:
        store._connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(ConfigError, match=f"newer streamer: version {VERSION + 1}, this one knows {VERSION}"):
        EventStore(path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot open the events in .*nowhere"):
        EventStore(tmp_path / "nowhere" / "events.db")


def test_a_store_that_was_closed_says_so(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "events.db")
    store.close()
    with pytest.raises(OutputWriteFailed, match="closed"):
        store.record(event())


def test_quiet_where_nothing_is_dropped(store: EventStore, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        store.record(event())
    assert caplog.text == ""
