"""Events to an MQTT broker, with states that are retained, and discovery by Home Assistant."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from streamer.errors import ConfigError, MessageRefused, TargetUnavailable
from streamer.events.event import Event
from streamer.events.states import WatchedCamera, level, states
from streamer.events.store import Message
from streamer.events.targets.home_assistant import OFFLINE, ONLINE, birth_topic, discovery, with_removed
from streamer.runtime import tls

log = logging.getLogger(__name__)

_ANSWER_S = 10.0
"""How long the broker may take to answer to one thing."""
_GOODBYE_S = 0.4
_CONNECT_S = 5.0
_KEEPALIVE_S = 30
"""Seconds after half of which more the broker takes a silent client for gone."""
_ABOUT_THE_MESSAGE = ("Packet too large", "Payload format invalid", "Topic name invalid")
_PACKET_OVERHEAD = 64
"""Bytes of a packet besides topic and payload, rounded up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the broker is, and how to be let in."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    context: ssl.SSLContext | None = None
    """How to speak TLS; None: without."""
    client_id: str
    """The same at each start: a broker that still holds the connection of a killed process ends it then, last will included."""

    @property
    def address(self) -> str:
        """For messages."""
        return f"{self.host}:{self.port}"


class _Publication(NamedTuple):
    topic: str
    payload: bytes
    retain: bool = True


class Mqtt:
    """Publishes each change to ``TOPIC/CAMERA/events``; a message has been taken when the broker has acknowledged it (QoS 1).

    Beside events there are states, retained, that say what is there now: availability, classes, zones, counts, the last
    snapshot. After a time without a connection they show what is true then, not what was. paho-mqtt's own queue and its own
    reconnecting are not used: they would hold messages that the outbox holds already, and forget them with the process.
    """

    name = "mqtt"

    def __init__(
        self,
        broker: Broker,
        *,
        topic: str = "streamer",
        cameras: Sequence[WatchedCamera] = (),
        open_events: Callable[[str], Iterable[Event]] = lambda _: (),
        last_snapshot: Callable[[str], Path | None] = lambda _: None,
        ha_discovery: bool = False,
        ha_prefix: str = "homeassistant",
        snapshots: bool = True,
        presence: bool = True,
        answer_s: float = _ANSWER_S,
    ) -> None:
        """``open_events`` gives the events of a camera that have not ended, ``last_snapshot`` its newest picture of before the
        start; ``answer_s``: how long the broker may be silent.

        Without ``presence`` events are published and nothing else: no availability, no last will, no states, no discovery.
        """
        self._broker = broker
        self._topic = topic
        self._cameras = {camera.name: camera for camera in cameras}
        self._open_events = open_events
        self._ha_prefix = ha_prefix if ha_discovery and presence else None
        self._snapshots = snapshots and presence
        self._presence = presence
        self._answer_s = answer_s
        self._protocol = MQTTProtocolVersion.MQTTv5
        """It says why a message was not taken; 3.1.1 takes it and is silent."""
        self._client: paho.Client | None = None
        self._most_bytes: int | None = None
        """Largest packet that the broker takes."""
        self._shown: dict[str, bytes] = {}
        """What was published on each topic that is retained, on this connection."""
        self._behind = True
        """Whether more is to be published than what the next message says."""
        self._last_snapshot: dict[str, Path] = {}
        if self._snapshots:  # the broker may have lost what it kept
            pictures = {name: last_snapshot(name) for name in self._cameras}
            self._last_snapshot = {name: path for name, path in pictures.items() if path is not None and path.is_file()}
        self._changed = threading.Condition()
        # All below is shared with paho-mqtt's thread and others, under the condition.
        self._connection: ReasonCode | None = None
        self._lost = ""
        self._answers: dict[int, ReasonCode] = {}
        self._online: dict[str, bool] = dict.fromkeys(self._cameras, False)
        self._announce = self._found = False
        self._announced: dict[str, bytes] = {}
        """Discovery messages that the broker held, by topic."""
        self._interrupted = False
        self._wake: Callable[[], None] = lambda: None

    def start(self, wake: Callable[[], None]) -> None:
        """``wake`` is called when the connection is lost, Home Assistant has started, or a camera comes or goes."""
        self._wake = wake

    def tend(self) -> bool:
        """Connect, say what is there to a broker or a Home Assistant that is new, and what has changed of cameras."""
        if self._client is None or self._lost:
            self._drop()
            self._connect()
        with self._changed:
            announce, self._announce = self._announce, False
            found, self._found = self._found, False
        if announce:
            self._shown.clear()
        if announce or found:
            self._behind = True
        # What else has changed comes with the messages about it, which must not wait until the broker has all states.
        self._publish(self._news() if self._behind else self._new(self._availability() if self._presence else {}))
        self._behind = False
        return True

    def send(self, message: Message) -> None:
        """Publish ``message`` and the states after it."""
        event = message.event()
        told = _Publication(f"{self._of(event.camera)}/events", message.body.encode(), retain=False)
        if not self._fits(told):
            raise MessageRefused(f"the broker {self._broker.address} takes no more than {self._most_bytes} bytes")
        if self._snapshots and event.snapshot is not None:
            self._last_snapshot[event.camera] = event.snapshot
        self._behind = True  # where this fails half way
        self._publish([told, *self._news(event.camera)])
        self._behind = False

    def camera_state(self, camera: str, *, online: bool) -> None:
        """Shown as the camera's availability."""
        with self._changed:
            if self._online.get(camera) == online:
                return
            self._online[camera] = online
        self._wake()

    def interrupt(self) -> None:
        """End the wait for the broker."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def close(self) -> None:
        """Say that all is offline, and disconnect: so the last will is not told."""
        client = self._client
        if client is not None and not self._lost:
            with self._changed:
                self._online = dict.fromkeys(self._online, False)
            gone = [_Publication(topic, OFFLINE.encode()) for topic in (*self._availability(), f"{self._topic}/availability")]
            with suppress(TargetUnavailable, MessageRefused):  # the last will says it then
                self._publish(gone if self._presence else (), within_s=_GOODBYE_S, interruptible=False)
                client.disconnect()
                self._wait(lambda: bool(self._lost), _GOODBYE_S / 4, interruptible=False)
        self._drop()

    def _connect(self) -> None:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._broker.client_id,
            protocol=self._protocol,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECT_S
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        if self._presence:
            client.will_set(f"{self._topic}/availability", OFFLINE, qos=1, retain=True)
        if self._broker.user is not None:
            client.username_pw_set(self._broker.user, self._broker.password)
        if self._broker.context is not None:
            client.tls_set_context(self._broker.context)
        self._shown.clear()
        self._behind = True
        with self._changed:
            self._connection, self._lost, self._announce = None, "", False
            self._answers.clear()
        self._client = client  # before it connects: a refusal may come within that call
        try:
            client.connect(self._broker.host, self._broker.port, keepalive=_KEEPALIVE_S)
        except (OSError, ValueError) as error:
            self._client = None
            raise TargetUnavailable(f"cannot reach the MQTT broker {self._broker.address}: {error}") from error
        client.loop_start()
        self._wait(lambda: self._connection is not None, self._answer_s)
        self._judge_connection()
        if self._ha_prefix is not None:
            topics = [discovery(one, self._topic, self._ha_prefix)[0] for one in self._cameras.values()]
            client.subscribe([(topic, 1) for topic in (birth_topic(self._ha_prefix), *topics)])

    def _judge_connection(self) -> None:
        answer = self._connection
        if answer is None or not answer.is_failure:
            return
        self._drop()
        if answer.getName() == "Unsupported protocol version" and self._protocol is MQTTProtocolVersion.MQTTv5:
            self._protocol = MQTTProtocolVersion.MQTTv311
            self._connect()
            return
        hint = "check user and password" if answer.getName() in ("Not authorized", "Bad user name or password") else ""
        raise TargetUnavailable(f"the MQTT broker {self._broker.address} refuses: {answer.getName()}", hint=hint)

    def _drop(self) -> None:
        """Let go of the connection. Its thread ends by itself then."""
        client, self._client = self._client, None
        if client is None:
            return
        connection = client.socket()
        if isinstance(connection, socket.socket):
            with suppress(OSError):  # it is gone already
                connection.shutdown(socket.SHUT_RDWR)

    def _news(self, camera: str | None = None) -> list[_Publication]:
        """What is to be retained, of one camera or of all, and is not what was published last."""
        if not self._presence:
            return []
        wanted: dict[str, bytes] = {}
        cameras = [one for name, one in self._cameras.items() if camera in (None, name)]
        if self._ha_prefix is not None:
            for one in cameras:
                topic, payload = discovery(one, self._topic, self._ha_prefix)
                payload = with_removed(payload, self._announced.get(topic, b""))
                wanted[topic] = json.dumps(payload, ensure_ascii=False).encode()
        wanted |= self._availability()
        for one in cameras:
            own = self._of(one.name)
            wanted |= {f"{own}/{end}": state.encode() for end, state in states(one, self._open_events(one.name)).items()}
        for name in [name for name in self._last_snapshot if camera in (None, name)]:
            picture = self._picture(name)
            if picture is not None:
                wanted[f"{self._of(name)}/snapshot"] = picture
        # Last: until then what an earlier process left must not be taken for what is true now.
        wanted[f"{self._topic}/availability"] = ONLINE.encode()
        return self._new(wanted)

    def _new(self, wanted: Mapping[str, bytes]) -> list[_Publication]:
        news = [_Publication(topic, payload) for topic, payload in wanted.items() if self._shown.get(topic) != payload]
        return [one for one in news if self._fits(one)]

    def _availability(self) -> Mapping[str, bytes]:
        with self._changed:
            online = dict(self._online)
        return {f"{self._of(name)}/availability": (ONLINE if on else OFFLINE).encode() for name, on in online.items()}

    def _picture(self, camera: str) -> bytes | None:
        path = self._last_snapshot[camera]
        try:
            return path.read_bytes()
        except OSError as error:
            del self._last_snapshot[camera]
            log.warning("the snapshot %s is not sent: %s", path.name, error.strerror, extra={"output": self.name})
            return None

    def _fits(self, one: _Publication) -> bool:
        return self._most_bytes is None or len(one.topic) + len(one.payload) + _PACKET_OVERHEAD <= self._most_bytes

    def _publish(
        self, publications: Sequence[_Publication], *, within_s: float | None = None, interruptible: bool = True
    ) -> None:
        """Return once the broker has acknowledged all of ``publications``."""
        client = self._client
        if client is None:
            raise TargetUnavailable("not connected")
        sent = [(one, client.publish(one.topic, one.payload, qos=1, retain=one.retain)) for one in publications]
        within_s = self._answer_s if within_s is None else within_s
        self._wait(lambda: all(info.mid in self._answers for _, info in sent), within_s, interruptible=interruptible)
        with self._changed:
            answers = [(one, self._answers.pop(info.mid)) for one, info in sent]
        for one, answer in answers:
            self._judge(one, answer)
            if one.retain:
                self._shown[one.topic] = one.payload

    def _judge(self, one: _Publication, answer: ReasonCode) -> None:
        if not answer.is_failure:
            return
        what = f"the MQTT broker {self._broker.address} does not take {one.topic}: {answer.getName()}"
        if answer.getName() in _ABOUT_THE_MESSAGE and not one.retain:
            raise MessageRefused(what)
        raise TargetUnavailable(what, hint="allow this user to write there" if answer.getName() == "Not authorized" else "")

    def _wait(self, done: Callable[[], bool], within_s: float, *, interruptible: bool = True) -> None:
        """Wait until ``done``, which is called with the condition held. Raises ``TargetUnavailable`` where that fails."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while not done():
                if self._interrupted and interruptible:
                    raise TargetUnavailable("stopped while the MQTT broker was waited for")
                if self._lost:
                    raise TargetUnavailable(
                        f"the MQTT broker {self._broker.address} closed the connection: {self._lost}",
                        hint="" if self._connection is not None else "check TLS, certificates and port",
                    )
                rest_s = deadline - time.monotonic()
                if rest_s <= 0:
                    self._lost = "it does not answer"
                    raise TargetUnavailable(f"the MQTT broker {self._broker.address} does not answer")
                self._changed.wait(rest_s)

    def _of(self, camera: str) -> str:
        return f"{self._topic}/{level(camera)}"

    # What paho-mqtt calls, in its thread.

    def _on_connect(self, _: object, __: object, ___: object, answer: ReasonCode, said: Properties | None) -> None:
        with self._changed:
            self._connection = answer
            self._most_bytes = getattr(said, "MaximumPacketSize", None)
            self._changed.notify_all()

    def _on_disconnect(self, client: paho.Client, _: object, __: object, reason: ReasonCode, ___: object) -> None:
        with self._changed:
            if client is not self._client:
                return
            self._lost = reason.getName()
            self._changed.notify_all()
        self._wake()

    def _on_publish(self, client: paho.Client, _: object, mid: int, answer: ReasonCode, __: object) -> None:
        with self._changed:
            if client is self._client:
                self._answers[mid] = answer
                self._changed.notify_all()

    def _on_message(self, _: object, __: object, message: paho.MQTTMessage) -> None:
        """The birth of a Home Assistant, or what an earlier start has announced to it; not what this one announces."""
        with self._changed:
            if message.topic.endswith("/config"):
                if not message.retain or self._announced.get(message.topic) == message.payload:
                    return
                self._announced[message.topic] = bytes(message.payload)
                self._found = True
            elif message.payload == ONLINE.encode():
                self._announce = True
        self._wake()


def tls_context(
    *, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None, insecure: bool = False
) -> ssl.SSLContext:
    """How to speak TLS with a broker. Raises ``ConfigError`` when a file cannot be read."""
    with _readable("certificates", ca):
        context = ssl.create_default_context(cafile=tls.ca_file() if ca is None else str(ca))
    if certificate is not None:
        with _readable("client certificate and key", certificate):
            context.load_cert_chain(certificate, key)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _readable(what: str, path: Path | None) -> Iterator[None]:
    try:
        yield
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"cannot read {what} in {path}: {error}", hint="give a file in PEM format") from error
