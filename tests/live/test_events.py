"""Events of a live source as a user runs it: told, kept over a kill, with snapshots and a clip."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import av
import cv2
import pytest
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.config.live import CameraConfig, ProcessOptions
from streamer.errors import ConfigError
from streamer.events.event import Event
from streamer.events.states import WatchedZone
from streamer.events.store import open_existing
from streamer.live.events import EventFiles, watched_camera
from tests.camera import RATE, MakeCamera, make_camera, recorded
from tests.events.receiver import Receiver, receiver
from tests.live.test_end_to_end import Process, started
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

__all__ = ["make_camera", "receiver", "started"]

PEDESTRIANS = Path(__file__).parents[2] / "samples" / "pedestrians.mp4"


def events_in(folder: Path) -> list[Event]:
    if not (folder / "events.db").exists():
        return []
    with open_existing(folder) as store:
        return store.events()


def test_what_happens_is_told_and_kept(tmp_path: Path, receiver: Receiver, started: list[Process]) -> None:
    folder = tmp_path / "events"
    arguments = ["live", str(PEDESTRIANS), "--live", "--events", str(folder), "--event-classes", "person"]
    process = Process(tmp_path, *arguments, "--webhook", receiver.url, "--quiet")
    started.append(process)
    assert process.wait(60) == 0
    (event,) = events_in(folder)
    assert event.kind == "end"
    assert event.classes == ("person",)
    assert len(event.track_ids) >= 3
    assert event.snapshot is not None
    assert event.clean_snapshot is not None
    picture, clean = cv2.imread(str(event.snapshot)), cv2.imread(str(event.clean_snapshot))
    assert picture is not None
    assert clean is not None
    assert picture.shape == clean.shape == (576, 768, 3)
    assert cv2.absdiff(picture, clean).max() > 50
    told = [json.loads(post.body) for post in receiver.taken]
    assert [each["kind"] for each in told[:1] + told[-1:]] == ["new", "end"]
    assert {each["id"] for each in told} == {event.id}
    assert len({each["key"] for each in told}) == len(told)


def test_a_kill_in_the_middle_of_an_event_leaves_it_to_the_next_start(
    tmp_path: Path, receiver: Receiver, started: list[Process]
) -> None:
    folder = tmp_path / "events"
    arguments = ["live", str(PEDESTRIANS), "--live", "--loop", "--events", str(folder), "--webhook", receiver.url, "--quiet"]
    process = Process(tmp_path, *arguments)
    started.append(process)
    wait_until(lambda: bool(events_in(folder)), 60)
    process.process.send_signal(signal.SIGKILL)
    process.wait()
    (left,) = events_in(folder)
    assert left.end_utc is None
    again = Process(tmp_path, *arguments)
    started.append(again)
    wait_until(lambda: any(event.id == left.id and event.end_utc is not None for event in events_in(folder)), 60)
    wait_until(lambda: left.id in {json.loads(post.body)["id"] for post in receiver.taken if b'"end"' in post.body}, 60)
    again.process.send_signal(signal.SIGINT)
    again.wait()


def test_a_clip_is_cut_from_the_packets_that_were_recorded(
    tmp_path: Path, make_camera: MakeCamera, started: list[Process]
) -> None:
    camera, folder = make_camera(), tmp_path / "events"
    arguments = ["live", camera.url, "--detector", "tests.bright:Everything", "--events", str(folder)]
    times = ["--event-min-duration", "0.5", "--event-pre-capture", "1", "--event-post-capture", "1"]
    process = Process(tmp_path, *arguments, *times, "--record", str(tmp_path / "record"), "--segment", "2", "--quiet")
    started.append(process)
    wait_until(lambda: len(list((tmp_path / "record").glob("*.mp4"))) >= 3, 60)
    process.process.send_signal(signal.SIGINT)
    process.wait()
    (event,) = events_in(folder)
    assert event.clip is not None, process.log
    with av.open(str(event.clip)) as clip:
        packets = [packet for packet in clip.demux(clip.streams.video[0]) if packet.size]
    assert packets[0].is_keyframe
    assert event.end_utc is not None
    assert float((packets[-1].pts or 0) * (packets[-1].time_base or 0)) >= event.end_utc - event.start_utc - 0.5
    again = tmp_path / "again.mp4"
    arguments = ["events", "clip", str(folder), event.id, "--record", str(tmp_path / "record"), "-o", str(again)]
    done = CliRunner().invoke(app, [*arguments, "--before", "1", "--after", "1"])
    assert done.exit_code == 0, done.output
    with av.open(str(again)) as clip:
        assert len([packet for packet in clip.demux(clip.streams.video[0]) if packet.size]) >= len(packets)
    assert CliRunner().invoke(app, arguments).exit_code == 2, "it exists"
    done = CliRunner().invoke(app, [*arguments[:5], str(tmp_path), "-o", str(tmp_path / "other.mp4")])
    assert done.exit_code == 2
    assert "holds nothing of" in done.output


def test_a_camera_that_is_away_for_a_while_neither_doubles_nor_loses_an_event(
    tmp_path: Path, make_camera: MakeCamera, receiver: Receiver, started: list[Process]
) -> None:
    camera, folder, records, zones = make_camera(), tmp_path / "events", tmp_path / "found.jsonl", tmp_path / "zones.yaml"
    zones.write_text("zones: {middle: {polygon: [[0.2, 0.2], [0.8, 0.2], [0.8, 0.9], [0.2, 0.9]]}}\n")
    arguments = ["live", camera.url, "--transport", "tcp", "--detector", "tests.bright:Everything", "--zones", str(zones)]
    arguments += ["--events", str(folder), "--event-merge-after", "20", "--detections", str(records), "--metrics", "0"]
    begun_utc = time.time()
    process = Process(tmp_path, *arguments, "--webhook", receiver.url)
    started.append(process)
    wait_until(lambda: any(event.zones for event in events_in(folder)), 60)
    camera.stop(signal.SIGKILL)
    wait_until(lambda: "reconnecting" in process.log, 60)
    camera.start()
    again_utc = time.time()
    (name,) = process.cameras()
    wait_until(lambda: process.cameras()[name]["state"] == "running", 60)
    frames = process.cameras()[name]["frames_in"]
    wait_until(lambda: process.cameras()[name]["frames_in"] >= frames + 50, 60)
    process.process.send_signal(signal.SIGINT)
    process.wait()

    (event,) = events_in(folder)
    assert event.kind == "end"
    assert event.zones == ("middle",)
    assert event.end_utc is not None
    assert begun_utc < event.start_utc < again_utc < event.end_utc < time.time()
    told = [json.loads(post.body)["kind"] for post in receiver.taken]
    assert (told[0], told[-1]) == ("new", "end")
    assert set(told[1:-1]) <= {"update"}
    counted = json.loads(records.read_text(encoding="utf-8").splitlines()[-1])["zones"]["middle"]
    assert (counted["entries"], counted["exits"]) == (1, 1)


def test_a_folder_of_events_is_one_processs_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    settings = {"source": "test:", "events": str(tmp_path / "events")}
    gate = CameraConfig.model_validate(settings)
    yard = CameraConfig.model_validate({**settings, "events": str(tmp_path / "link" / "events")})
    with EventFiles({"gate": gate, "yard": yard}, ProcessOptions()), pytest.raises(ConfigError, match="another process makes"):
        EventFiles({"hall": yard}, ProcessOptions())
    EventFiles({"hall": yard}, ProcessOptions()).close()


@pytest.mark.parametrize(
    ("settings", "classes", "door"),
    [
        ({}, ("dog", "person"), ("dog", "person")),
        ({"classes": "car,person"}, ("car", "person"), ("person",)),
        ({"classes": "all", "event_classes": "person"}, ("person",), ("person",)),
        ({"classes": "all"}, ("dog", "person"), ("dog", "person")),
    ],
)
def test_states_are_shown_of_classes_that_are_named(
    settings: dict[str, str], classes: tuple[str, ...], door: tuple[str, ...]
) -> None:
    corners = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
    zones = {"door": {"polygon": corners, "classes": ["person", "dog"]}, "way": {"polygon": corners}}
    config = CameraConfig.model_validate({"source": "test:", "events": "events", "zones": zones, **settings})
    watched = watched_camera("gate", config)
    assert watched.classes == classes
    assert watched.zones == (WatchedZone("door", door), WatchedZone("way", classes))


def test_only_what_events_need_is_recorded(tmp_path: Path, make_camera: MakeCamera, started: list[Process]) -> None:
    camera, folder, record = make_camera(), tmp_path / "events", tmp_path / "record"
    arguments = ["live", camera.url, "--detector", "tests.bright:Dusk", "--events", str(folder), "--record", str(record)]
    times = [
        "--event-min-duration",
        "0.2",
        "--event-merge-after",
        "0.5",
        "--event-pre-capture",
        "1",
        "--event-post-capture",
        "1",
    ]
    arguments += [*times, "--record-mode", "events", "--segment", "2", "--quiet"]
    killed = Process(tmp_path, *arguments)
    started.append(killed)
    wait_until(lambda: bool(events_in(folder)) and any(path.stat().st_size > 40_000 for path in record.glob("*.mp4")), 60)
    killed.process.send_signal(signal.SIGKILL)
    killed.wait()
    (left,) = events_in(folder)
    assert left.end_utc is None
    again = Process(tmp_path, *arguments)
    started.append(again)
    wait_until(lambda: any((folder).rglob(f"{left.id}.mp4")), 90)
    again.process.send_signal(signal.SIGINT)
    again.wait()
    event = events_in(folder)[-1]
    assert event.id == left.id
    assert event.clip is not None
    assert event.end_utc is not None
    with av.open(str(event.clip)) as clip:
        packets = [packet for packet in clip.demux(clip.streams.video[0]) if packet.size]
    assert packets[0].is_keyframe
    assert float((packets[-1].pts or 0) * (packets[-1].time_base or 0)) >= event.end_utc - event.start_utc + 1.0
    assert min(recorded(record, camera)) >= RATE, "what came long before the event is not there"
