"""What the pages of events ask for, asked over real sockets."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.events.event import Event
from streamer.events.reader import EventReader
from streamer.events.store import EVENTS_FILE, EventStore, Message
from streamer.events.targets.webhook import Webhook
from streamer.web.event_library import THUMBNAIL_WIDTH, EventCamera
from streamer.web.server import WebServer
from tests.events.happenings import ended, event
from tests.events.receiver import Receiver, receiver
from tests.web.happened import clip_start, served, write_events, write_records

__all__ = ["receiver"]

COUNT = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of events that are being made."""
    folder = tmp_path_factory.mktemp("events")
    write_records(folder / "gate.jsonl", clip_start(1))
    with write_events(folder, COUNT):
        yield folder


@pytest.fixture
def server(folder: Path) -> Iterator[WebServer]:
    cameras = {"gate": EventCamera(folder, records=folder / "gate.jsonl"), "yard": EventCamera(folder)}
    with served(cameras) as server:
        yield server


def numbers(answer: httpx.Response) -> list[int]:
    """Which events an answer tells of."""
    known = {event(number).id: number for number in range(COUNT + 1)}
    return [known[each["id"]] for each in answer.json()["events"]]


def get(server: WebServer, path: str, **headers: str) -> httpx.Response:
    return httpx.get(
        f"{server.url}{path}", headers={key.replace("_", "-"): value for key, value in headers.items()}, timeout=30
    )


def test_the_newest_come_first_and_a_list_goes_on_where_it_ended(server: WebServer) -> None:
    first = get(server, "/api/events?limit=5")
    assert numbers(first) == [12, 11, 10, 9, 8]
    assert first.json()["more"] is True
    last = get(server, f"/api/events?limit=50&before={event(8).id}")
    assert numbers(last) == [7, 6, 5, 4, 3, 2, 1]
    assert last.json()["more"] is False
    told = first.json()["events"][0]
    assert told["end_utc"] is None
    assert not any("/" in str(value) for value in told.values()), "no path of the server is told"


def test_the_links_of_a_webhook_lead_to_the_page_and_the_picture(folder: Path, receiver: Receiver) -> None:
    with served({"gate": EventCamera(folder)}, token="t0ken-to-operate", view_token="t0ken-to-view") as server:
        with EventReader(folder / EVENTS_FILE) as reader:
            happened = reader.get(event(3).id)
        assert happened is not None
        said = Message(1, "key", "end", json.dumps(happened.as_json()), 0.0)
        with closing(Webhook(receiver.url, base_url=server.url)) as webhook:
            webhook.send(said)
        links = receiver.taken[0].event
        for link, kind in (("event_url", "text/html"), ("snapshot_url", "image/jpeg")):
            assert httpx.get(links[link], timeout=30).status_code == 401, "a link holds no credentials"
            got = httpx.get(links[link], headers={"Authorization": "Bearer t0ken-to-view"}, timeout=30)
            assert (got.status_code, got.headers["Content-Type"].partition(";")[0]) == (200, kind)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("camera=yard", [12, 10, 8, 6, 4, 2]),
        ("class=car", [12, 9, 6, 3]),
        ("zone=door&class=car", [9, 3]),
        ("camera=nobody", []),
        ("since=2026-01-01T00:00:13Z", [12, 11, 10, 9]),
        ("until=2026-01-01T00:00:03Z", [2, 1]),
        ("camera=gate&since=&zone=", [11, 9, 7, 5, 3, 1]),
    ],
)
def test_it_is_asked_for_by_camera_class_zone_and_time(server: WebServer, asked: str, found: list[int]) -> None:
    assert numbers(get(server, f"/api/events?{asked}")) == found


@pytest.mark.parametrize(
    "asked", ["since=soon", "until=%00", "limit=many", "limit=nan", "limit=inf", "since=9999999999999-01-01"]
)
def test_what_cannot_be_asked_is_said_to_be_so(server: WebServer, asked: str) -> None:
    assert get(server, f"/api/events?{asked}").status_code == 400


def test_what_is_known_already_is_not_sent_again(server: WebServer) -> None:
    for path in ("/api/events", f"/api/events/{event(1).id}", f"/api/events/{event(1).id}/thumbnail.jpg"):
        tag = get(server, path).headers["ETag"]
        assert get(server, path, If_None_Match=tag).status_code == 304
        assert get(server, path, If_None_Match='"x"').status_code == 200


def test_what_can_be_asked_for_is_told(server: WebServer) -> None:
    names = get(server, "/api/events/names").json()
    assert names == {"cameras": ["gate", "yard"], "classes": ["car", "person"], "zones": ["door"], "problems": []}


def test_pictures_and_clips_are_those_of_the_folder(server: WebServer, folder: Path) -> None:
    at = f"/api/events/{event(1).id}"
    picture = get(server, f"{at}/snapshot.jpg")
    assert picture.content == (folder / "gate" / f"{event(1).id}.jpg").read_bytes()
    assert get(server, f"{at}/snapshot.jpg?clean=1").content == (folder / "gate" / f"{event(1).id}-clean.jpg").read_bytes()
    small = cv2.imdecode(np.frombuffer(get(server, f"{at}/thumbnail.jpg").content, np.uint8), cv2.IMREAD_COLOR)
    assert small is not None
    assert small.shape == (THUMBNAIL_WIDTH * 9 // 16, THUMBNAIL_WIDTH, 3)
    whole = (folder / "gate" / f"{event(1).id}.mp4").read_bytes()
    part = get(server, f"{at}/clip", Range="bytes=100-299")
    assert (part.status_code, part.content) == (206, whole[100:300])
    assert part.headers["Content-Range"] == f"bytes 100-299/{len(whole)}"
    assert part.headers["Content-Type"] == "video/mp4"
    assert get(server, f"{at}/clip", Range=f"bytes={len(whole)}-").status_code == 416
    saved = get(server, f"{at}/clip?download=1")
    assert saved.content == whole
    assert saved.headers["Content-Disposition"] == f'attachment; filename="gate-{event(1).id}.mp4"'
    assert get(server, f"{at}/clip?part=2").status_code == 404
    assert get(server, f"/api/events/{event(3).id}/clip").status_code == 404


def test_records_are_told_by_the_time_of_the_clip(server: WebServer) -> None:
    at = f"/api/events/{event(1).id}/records"
    told = get(server, f"{at}?from=2&to=4").json()
    assert (told["width"], told["height"], told["why_not"]) == (320, 192, "")
    assert [frame["at"] for frame in told["frames"]][:3] == pytest.approx([1.52, 1.56, 1.6], abs=0.0021)
    assert told["frames"][-1]["at"] == pytest.approx(4.48, abs=0.0021)
    assert told["frames"][0]["instances"][0]["box"] == [20 + 38, 60, 60 + 38, 100]
    assert get(server, f"{at}?from=500&to=505").json()["why_not"] == "nothing is recorded of what was found then"
    assert len(get(server, f"{at}?from=0&to=1e8").json()["frames"]) <= 300, "what is told at once is bounded"
    assert get(server, f"{at}?from=x").status_code == 400


def test_records_without_positions_are_said_to_hold_none(folder: Path, tmp_path: Path) -> None:
    head, *_ = (folder / "gate.jsonl").read_text().splitlines()
    (tmp_path / "gate.jsonl").write_text(json.dumps({**json.loads(head), "positions": False}) + "\n")
    with served({"gate": EventCamera(folder, records=tmp_path / "gate.jsonl")}) as server:
        told = get(server, f"/api/events/{event(1).id}/records").json()
        assert told["why_not"] == "the records of this camera do not say where objects were"


def test_what_privacy_covers_stays(folder: Path) -> None:
    with served({"gate": EventCamera(folder, covered=True)}) as server:
        told = get(server, f"/api/events/{event(1).id}").json()
        assert (told["has_clip"], told["clip_stays"], told["clip"]) == (False, True, [])
        assert get(server, f"/api/events/{event(1).id}/clip").status_code == 404
        assert get(server, f"/api/events/{event(1).id}/snapshot.jpg").status_code == 200


def test_files_that_cannot_be_read_are_named_and_the_others_shown(tmp_path: Path, folder: Path) -> None:
    for name in ("broken", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / "events.db").write_bytes(b"no database" * 1000)
    cameras = {"gate": EventCamera(folder), "yard": EventCamera(tmp_path / "broken"), "door": EventCamera(tmp_path / "empty")}
    with served(cameras) as server:
        told = get(server, "/api/events")
        assert len(numbers(told)) == COUNT
        assert told.json()["problems"] == ["the events of yard cannot be read: file is not a database"]
        assert get(server, "/api/events?camera=door").json() == {"events": [], "more": False, "problems": []}
        assert get(server, f"/api/events/{event(1).id}").status_code == 200
        unknown = get(server, f"/api/events/{event(77).id}")
        assert (unknown.status_code, unknown.text) == (503, "the events of yard cannot be read: file is not a database\n")


def test_a_file_that_another_program_holds_is_said_to_be_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.web.event_library._BUSY_S", 0.05)
    EventStore(tmp_path / "events.db").close()
    with served({"gate": EventCamera(tmp_path)}) as server:
        held = sqlite3.connect(tmp_path / "events.db")
        held.execute("PRAGMA locking_mode = EXCLUSIVE")
        held.execute("BEGIN EXCLUSIVE")
        assert get(server, "/api/events").json()["problems"] == ["the events of gate cannot be read: database is locked"]
        held.close()
        assert get(server, "/api/events").json()["problems"] == []


def test_only_who_may_look_sees_them(folder: Path) -> None:
    with served({"gate": EventCamera(folder)}, "0.0.0.0:0", token="operator-token", view_token="viewer-token") as server:
        for path in ("/api/events", f"/api/events/{event(1).id}/clip", f"/api/events/{event(1).id}/snapshot.jpg"):
            url = f"http://127.0.0.1:{server.port}{path}"
            assert httpx.get(url).status_code == 401
            assert httpx.get(url, headers={"Authorization": "Bearer viewer-token"}).status_code == 200


def test_nothing_outside_of_the_folder_is_served_whatever_leads_there(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"secret")
    folder = tmp_path / "events"
    (folder / "gate").mkdir(parents=True)
    with EventStore(folder / "events.db") as store, served({"gate": EventCamera(folder)}) as server:
        for number, camera in enumerate(("gate", "../..", "/etc", ".", "a/../../b"), start=1):
            said = ended(number, camera=camera)
            store.record(Event(**{**{key: getattr(said, key) for key in Event.__slots__}, "clip": secret, "snapshot": secret}))
        for suffix in (".mp4", ".jpg", "-clean.jpg", "-2.mp4"):
            (folder / "gate" / f"{event(1).id}{suffix}").symlink_to(secret)
        for number in range(1, 6):
            for path in ("clip", "clip?part=2", "snapshot.jpg", "snapshot.jpg?clean=1", "thumbnail.jpg", "records"):
                answer = get(server, f"/api/events/{event(number).id}/{path}")
                assert (answer.status_code, b"secret" in answer.content) == (404, False)


@given(
    st.text(max_size=30) | st.from_regex(r"\A(\.\./|%2e%2e/|//|%00|[\w.]){1,8}\Z"),
    st.sampled_from(["", "/clip", "/snapshot.jpg", "/records"]),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_is_a_failure_or_leads_to_a_file(server: WebServer, name: str, rest: str) -> None:
    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        target = f"/api/events/{name}{rest}?since={name}".encode("utf-8", "surrogatepass")
        target = b"".join(bytes([byte]) if 32 < byte < 127 else b"%%%02X" % byte for byte in target)
        writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    status = asyncio.run(ask()).split(b" ", 2)[1]
    assert (
        status in (b"200", b"303", b"400", b"404")
        if name in ("", "names") or "?" in name or "#" in name
        else status in (b"400", b"404")
    )


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_question_is_a_failure(server: WebServer, camera: str, zone: str, before: str) -> None:
    answer = httpx.get(f"{server.url}/api/events", params={"camera": camera, "zone": zone, "before": before})
    assert answer.status_code == 200
    assert answer.json()["problems"] == []
