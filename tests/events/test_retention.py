"""Old events go, with their files, once everybody was told of them."""

from __future__ import annotations

from pathlib import Path

from streamer.events.retention import EventRetention
from streamer.events.store import EVENTS_FILE, EventStore
from tests.events.happenings import START_UTC, ended, event
from tests.waiting import wait_until


def test_old_events_go_with_their_files_and_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "gate"
    folder.mkdir()
    with EventStore(tmp_path / EVENTS_FILE) as store:
        old, new, open_one, elsewhere = ended(1), ended(10_000), event(2), ended(3, camera="yard")
        for each in (old, new, open_one, elsewhere):
            store.record(each)
        for each in (old, new):
            for name in (f"{each.id}.jpg", f"{each.id}-clean.jpg", f"{each.id}.mp4", f"{each.id}-2.mp4"):
                (folder / name).write_bytes(b"x")
        retention = EventRetention(store, {"gate": 1.0}, utc=lambda: START_UTC + 10_100)
        wait_until(lambda: store.get(old.id) is None and len(list(folder.iterdir())) == 4)
        retention.close()
        assert {path.name[:26] for path in folder.iterdir()} == {new.id}
        assert [each.id for each in store.events()] == [new.id, elsewhere.id, open_one.id]


def test_what_is_still_to_be_told_stays(tmp_path: Path) -> None:
    with EventStore(tmp_path / EVENTS_FILE, targets=["webhook"]) as store:
        told, waiting = ended(1), ended(2)
        store.record(told)
        store.record(waiting)
        store.sent("webhook", [store.outbox("webhook")[0].seq])
        assert [each.id for each in store.forget("gate", START_UTC + 9999)] == [told.id]
        assert store.get(waiting.id) is not None
