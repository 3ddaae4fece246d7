from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.cli.app import app
from tests.events.broker import StartMosquitto, mosquitto, subscribed
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
