"""A mosquitto of the tests' own, which can be killed, and what subscribers get from it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.waiting import wait_until


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")
    if found is None:
        pytest.skip("install mosquitto")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class Mosquitto:
    """A broker on ``port`` that keeps its queue in ``folder``; ``settings`` are lines of its configuration."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self._program = _program("mosquitto")
        self._configuration = folder / f"mosquitto-{self.port}.conf"
        self._log = folder / f"mosquitto-{self.port}.log"
        kept = folder / f"kept-{self.port}"
        kept.mkdir()
        lines = [
            "user root",
            "persistence true",
            f"persistence_location {kept}/",
            "autosave_interval 1",
            "autosave_on_changes true",
            "max_queued_messages 0",
            f"listener {self.port} 127.0.0.1",
            *(settings or ("allow_anonymous true",)),
        ]
        self._configuration.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [self._program, "-c", str(self._configuration), "-v"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._answers, what=self._log.read_text)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """At once, as by SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """It holds its connections and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            process.wait(30)


@dataclass
class Subscriber:
    """What came on each topic, in order; a session that the broker keeps while this one is away."""

    port: int
    client_id: str = "subscriber"
    got: list[tuple[str, bytes, bool]] = field(default_factory=list)
    """Topic, payload and whether it was retained."""

    def __post_init__(self) -> None:
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, self.client_id, clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", self.port)
        self._client.loop_start()
        assert self._subscribed.wait(30)

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe("#", qos=1)

    def _on_message(self, _: object, __: object, message: paho.MQTTMessage) -> None:
        self.got.append((message.topic, bytes(message.payload), message.retain))

    def on(self, topic: str) -> list[bytes]:
        """What came on ``topic``."""
        return [payload for name, payload, _ in list(self.got) if name == topic]

    def wait_for(self, topic: str, *payloads: str) -> None:
        """Wait until the newest on ``topic`` are ``payloads``."""
        wanted = [payload.encode() for payload in payloads]
        wait_until(lambda: self.on(topic)[-len(wanted) :] == wanted, what=lambda: f"{topic}: {self.on(topic)}, not {wanted}")

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(30)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class StartMosquitto(Protocol):
    def __call__(self, *settings: str) -> Mosquitto: ...


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[StartMosquitto]:
    """Starts brokers that end with the test."""
    started: list[Mosquitto] = []

    def start(*settings: str) -> Mosquitto:
        started.append(Mosquitto(tmp_path, *settings))
        started[-1].start()
        return started[-1]

    yield start
    for broker in started:
        broker.kill()


@contextmanager
def subscribed(port: int, client_id: str = "subscriber") -> Iterator[Subscriber]:
    """A subscriber to everything, as long as the block."""
    subscriber = Subscriber(port, client_id)
    try:
        yield subscriber
    finally:
        subscriber.close()
