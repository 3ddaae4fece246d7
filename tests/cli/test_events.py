from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.events.export import COLUMNS
from streamer.events.store import EventStore
from tests.events.broker import StartMosquitto, mosquitto, subscribed
from tests.events.happenings import ended, event
from tests.events.receiver import Receiver, receiver

__all__ = ["mosquitto", "receiver"]


@pytest.mark.slow
def test_one_event_goes_to_each_target_and_nothing_else(
    receiver: Receiver, mosquitto: StartMosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, file = mosquitto(), tmp_path / "run.yaml"
    file.write_text(
        f"cameras: {{}}\nmqtt: mqtt://127.0.0.1:{broker.port}\nwebhook: {{url: '{receiver.url}', secret: '${{S}}'}}\n"
    )
    monkeypatch.setenv("S", "s3cret")
    with subscribed(broker.port) as subscriber:
        done = CliRunner().invoke(app, ["events", "test-delivery", str(file), "--ha-discovery"])
        receiver.wait_for(1)
        (post,) = receiver.taken
        subscriber.wait_for("streamer/test-delivery/events", post.body.decode())
        topics = {topic for topic, _, _ in subscriber.got}

    assert (done.exit_code, post.event["camera"]) == (0, "test-delivery"), done.output
    assert f"mqtt: took {post.key} in " in done.output
    assert f"webhook: took {post.key} in " in done.output
    assert post.signed_with("s3cret")
    assert topics == {"streamer/test-delivery/events"}, "what a running process shows is not touched"


def test_a_target_that_does_not_take_it_is_named(receiver: Receiver) -> None:
    receiver.stop()
    done = CliRunner().invoke(app, ["events", "test-delivery", "--webhook", f"http://u:s3cret@127.0.0.1:{receiver.port}/"])

    assert done.exit_code == 1
    assert done.output.startswith(f"webhook: no answer from the webhook http://u:***@127.0.0.1:{receiver.port}/: ")


def test_without_a_target_there_is_nothing_to_try() -> None:
    done = CliRunner().invoke(app, ["events", "test-delivery"])

    assert done.exit_code == 2
    assert "no target is named; name one with --mqtt or --webhook" in done.output


def folder_of_events(tmp_path: Path) -> Path:
    with EventStore(tmp_path / "events.db") as store:
        for each in (ended(1), ended(2, camera="yard", zones=()), ended(9_000, classes=("car",)), event(9_001)):
            store.record(each)
    return tmp_path


def test_a_narrow_terminal_cuts_off_nothing_of_the_list(tmp_path: Path) -> None:
    with EventStore(tmp_path / "events.db") as store:
        store.record(one := ended(1, camera="the-gate-behind-the-yard"))
    done = CliRunner().invoke(app, ["events", "list", str(tmp_path)], env={"COLUMNS": "80", "TZ": "UTC"})
    began = datetime.fromtimestamp(one.start_utc).astimezone()
    assert one.id in done.output
    assert f" {began:%Y-%m-%d} " in done.output
    assert f" {began:%H:%M:%S} " in done.output
    assert "…" not in done.output


def exported(folder: Path, name: str, *options: str) -> str:
    output = folder / name
    done = CliRunner().invoke(app, ["events", "export", str(folder), "-o", str(output), "--overwrite", *options])
    assert done.exit_code == 0, done.output
    return output.read_text(encoding="utf-8")


def test_events_are_exported_oldest_first(tmp_path: Path) -> None:
    folder = folder_of_events(tmp_path)
    header, *rows = csv.reader(exported(folder, "out.csv").splitlines())
    assert tuple(header) == COLUMNS
    assert [row[1] for row in rows] == ["gate", "yard", "gate", "gate"]
    first = dict(zip(header, rows[0], strict=True))
    assert (first["start_time"], first["seconds"], first["classes"]) == ("2026-01-01T00:00:01.250Z", "4.000", "person")
    assert rows[3][3] == rows[3][4] == "", "it goes on"
    lines = [json.loads(line) for line in exported(folder, "out.jsonl").splitlines()]
    assert [line["id"] for line in lines] == [row[0] for row in rows]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--camera", "yard"], 1),
        (["--class", "car"], 1),
        (["--zone", "door"], 3),
        (["--since", "2026-01-01T01:00:00Z"], 2),
        (["--until", "2026-01-01T01:00:00Z"], 2),
        (["--since", "2026-01-01T00:00:04Z", "--until", "2026-01-01T00:00:04Z"], 2),
        (["--since", "1s"], 1),
    ],
)
def test_only_what_is_asked_for_is_exported(tmp_path: Path, options: list[str], expected: int) -> None:
    assert len(exported(folder_of_events(tmp_path), "out.jsonl", *options).splitlines()) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "out.xml"], "events are written as .csv or .jsonl"),
        (["-o", "out.csv", "--since", "yesterday"], "'yesterday' is no time"),
        (["-o", "out.csv", "--since", "9999999d"], "is no time"),
    ],
)
def test_wrong_options_are_said_in_one_line(tmp_path: Path, options: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["events", "export", str(folder_of_events(tmp_path)), *options])
    assert done.exit_code == 2
    assert message in done.output
