"""Kafka, against a producer of the tests' own: what librdkafka does is its own tests' concern."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from streamer.config.delivery import KafkaOptions
from streamer.errors import ConfigError, MessageRefused, TargetUnavailable
from streamer.events.store import EventStore, Message
from streamer.events.targets import kafka
from streamer.events.targets.kafka import Kafka
from tests.events.happenings import event

SETTINGS = {"bootstrap.servers": "broker:9092"}


@dataclass
class Failure:
    """As a ``KafkaError``, of which Python code cannot make a whole one."""

    number: int
    text: str = ""

    def code(self) -> int:
        return self.number

    def str(self) -> str:
        return self.text


class FakeProducer:
    """Reports each record with the next of ``answers`` at the next poll, or not at all."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.purged = False
        self._report: Callable[[Failure | None, object], None] = lambda *_: None
        made.append(self)

    def produce(self, topic: str, *, on_delivery: Callable[[Failure | None, object], None], **said: Any) -> None:
        if answers and isinstance(answers[0], KafkaException):
            raise answers.pop(0)
        produced.append((topic, said))
        self._report = on_delivery

    def poll(self, _: float) -> None:
        answer = answers.pop(0) if answers else None
        if answer == "silence":
            answers.append(answer)
        else:
            self._report(answer, None)

    def purge(self) -> None:
        self.purged = True


made: list[FakeProducer] = []
produced: list[tuple[str, dict[str, Any]]] = []
answers: list[Any] = []


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "Producer", FakeProducer)
    for kept in (made, produced, answers):
        kept.clear()


@pytest.fixture
def said(tmp_path: Path) -> Message:
    with EventStore(tmp_path / "events.db", targets=("kafka",)) as store:
        store.record(event())
        return store.outbox("kafka")[0]


def test_a_record_has_the_message_its_camera_and_its_key(said: Message) -> None:
    Kafka(SETTINGS, topic="events").send(said)

    ((topic, record),) = produced
    assert topic == "events"
    assert (json.loads(record["value"])["key"], record["key"]) == (said.key, b"gate")
    assert record["headers"] == [("key", said.key.encode()), ("kind", b"new")]
    assert (made[0].settings["acks"], made[0].settings["enable.idempotence"]) == ("all", True)


def test_a_failure_is_tried_again_with_another_producer(said: Message) -> None:
    target = Kafka(SETTINGS, topic="events")
    answers.append(Failure(KafkaError._MSG_TIMED_OUT, "timed out"))
    made[0].settings["error_cb"](Failure(KafkaError._TRANSPORT, "connection refused"))

    with pytest.raises(TargetUnavailable, match=r"Kafka at broker:9092: timed out \(connection refused\)"):
        target.send(said)
    assert made[0].purged, "it would send the message, too"

    target.send(said)
    assert len(made) == 2


@pytest.mark.parametrize("wrap", [KafkaException, lambda failure: failure])
def test_a_record_that_is_too_large_is_refused(said: Message, wrap: Callable[[Failure], object]) -> None:
    answers.append(wrap(Failure(KafkaError.MSG_SIZE_TOO_LARGE)))
    with pytest.raises(MessageRefused, match="Kafka at broker:9092"):
        Kafka(SETTINGS, topic="events").send(said)


def test_a_wait_can_be_interrupted(said: Message) -> None:
    answers.append("silence")
    target = Kafka(SETTINGS, topic="events")
    target.interrupt()
    with pytest.raises(TargetUnavailable, match="does not answer"):
        target.send(said)
    target.close()
    assert made[0].purged


def test_settings_that_are_refused_are_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="Kafka does not take these settings"):
        Kafka({**SETTINGS, "ssl.ca.location": "/nowhere.pem", "security.protocol": "SSL"}, topic="events")


def test_settings_have_the_names_of_librdkafka() -> None:
    plain = KafkaOptions.model_validate({"servers": "a:1, b:2"})
    assert plain.for_librdkafka() == {"bootstrap.servers": "a:1,b:2", "security.protocol": "PLAINTEXT"}
    full = KafkaOptions.model_validate(
        {"servers": "a:1", "user": "u", "password": "geheimnis", "mechanism": "SCRAM-SHA-512", "ca": "ca.pem", "insecure": True}
    )
    assert full.for_librdkafka() == {
        "bootstrap.servers": "a:1",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "geheimnis",
        "ssl.ca.location": "ca.pem",
        "enable.ssl.certificate.verification": False,
    }


def test_without_its_package_one_line_says_what_to_install() -> None:
    program = "import sys; sys.modules['confluent_kafka'] = None\nimport streamer.events.targets.kafka"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ConfigError: Kafka needs a package that is not installed; pip install 'streamer[kafka]'" in done.stderr
