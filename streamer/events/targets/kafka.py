"""Events to Apache Kafka: the messages of one camera go to one partition, in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from streamer.errors import ConfigError, MessageRefused, TargetUnavailable
from streamer.events.store import Message

try:
    from confluent_kafka import KafkaError, KafkaException, Producer
    from confluent_kafka import Message as Report
except ImportError as error:
    raise ConfigError("Kafka needs a package that is not installed", hint="pip install 'streamer[kafka]'") from error

_POLL_S = 0.1
"""How long one wait for a report takes; an interruption is seen after it."""


class Kafka:
    """Produces each message to one topic; it has been taken when all replicas in sync have it.

    librdkafka's own queue holds one message at a time: what it holds is forgotten with the process, the outbox is not. After
    a failure its producer is thrown away, since it would send what the outbox sends again.
    """

    name = "kafka"

    def __init__(self, settings: Mapping[str, object], *, topic: str, answer_s: float = 10.0) -> None:
        """``settings`` are librdkafka's, with ``bootstrap.servers``. Raises ``ConfigError`` for those that it refuses."""
        self._settings = {
            **settings,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,
            "log_level": 0,  # else it writes a line to stderr for each attempt to connect
            "message.timeout.ms": round(1000 * answer_s),
        }
        self._servers = settings["bootstrap.servers"]
        self._topic = topic
        self._answer_s = answer_s
        self._interrupted = threading.Event()
        self._problem = ""
        """What librdkafka said last of its connections, which a report of a message does not repeat."""
        try:
            self._producer: Producer | None = self._new_producer()
        except (KafkaException, ValueError) as error:
            raise ConfigError(f"Kafka does not take these settings: {_text(error)}", hint="see docs/events.md") from error

    def start(self, wake: Callable[[], None]) -> None:
        """Nothing to do."""

    def tend(self) -> bool:
        """librdkafka connects by itself; only sending shows whether it can."""
        return False

    def camera_state(self, camera: str, *, online: bool) -> None:
        """Kafka is told of events only."""

    def send(self, message: Message) -> None:
        """Produce ``message`` and wait for the report."""
        if self._producer is None:
            self._producer = self._new_producer()
        reports: list[KafkaError | None] = []

        def reported(failure: KafkaError | None, _: Report) -> None:
            reports.append(failure)

        try:
            self._producer.produce(
                self._topic,
                value=message.body.encode(),
                key=message.event().camera.encode(),
                headers=[("key", message.key.encode()), ("kind", message.kind.encode())],
                on_delivery=reported,
            )
        except KafkaException as failure:
            raise self._failure(failure.args[0]) from failure
        self._wait(self._producer, reports)
        if reports[0] is not None:
            raise self._failure(reports[0])

    def interrupt(self) -> None:
        """End the wait for a report."""
        self._interrupted.set()

    def close(self) -> None:
        """Forget the producer, and what it holds."""
        self._forget()

    def _new_producer(self) -> Producer:
        return Producer({**self._settings, "error_cb": self._failed})

    def _failed(self, failure: KafkaError) -> None:
        self._problem = failure.str()

    def _wait(self, producer: Producer, reports: list[KafkaError | None]) -> None:
        # librdkafka reports by itself after message.timeout.ms; the second is for one that does not.
        deadline = time.monotonic() + self._answer_s + 1.0
        while not reports:
            if self._interrupted.is_set() or time.monotonic() > deadline:
                self._forget()
                raise TargetUnavailable(f"Kafka at {self._servers} does not answer")
            producer.poll(_POLL_S)

    def _failure(self, failure: KafkaError) -> TargetUnavailable | MessageRefused:
        self._forget()
        if failure.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return MessageRefused(f"Kafka at {self._servers}: {failure.str()}")
        problem, self._problem = self._problem, ""
        return TargetUnavailable(f"Kafka at {self._servers}: {failure.str()}{f' ({problem})' if problem else ''}")

    def _forget(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()


def _text(error: BaseException) -> str:
    return " ".join(str(part.str() if isinstance(part, KafkaError) else part) for part in error.args)
