from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import ConfigError, MessageRefused, TargetUnavailable
from streamer.events.event import Event
from streamer.events.states import WatchedCamera, WatchedZone
from streamer.events.store import EventStore, Message
from streamer.events.targets.mqtt import Broker, Mqtt, tls_context
from tests.events.broker import StartMosquitto, mosquitto, subscribed
from tests.events.happenings import ended, event
from tests.tls import Certificate, StartTls, certificate, tls
from tests.waiting import wait_until

__all__ = ["certificate", "mosquitto", "tls"]

pytestmark = pytest.mark.slow

GATE = WatchedCamera("gate", ("person",), (WatchedZone("door", ("person",)),))

Open = Callable[..., Mqtt]


@pytest.fixture
def mqtt() -> Iterator[Open]:
    """Makes targets that are closed with the test: for a port, with what `Broker` or `Mqtt` are to be told."""
    made: list[Mqtt] = []

    def make(port: int, host: str = "127.0.0.1", **said: Any) -> Mqtt:
        own = {key: said.pop(key) for key in ("user", "password", "context") if key in said}
        made.append(Mqtt(Broker(host=host, port=port, client_id=said.pop("client_id", "streamer-test"), **own), **said))
        return made[-1]

    yield make
    for one in made:
        one.close()


def message(tmp_path: Path, said: Event | None = None) -> Message:
    with EventStore(tmp_path / "events.db", targets=("mqtt",)) as store:
        store.record(said or event())
        return store.outbox("mqtt")[-1]


def test_an_event_goes_to_the_topic_of_its_camera_and_is_not_retained(
    mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path
) -> None:
    broker, said = mosquitto(), message(tmp_path)
    with subscribed(broker.port) as subscriber:
        target = mqtt(broker.port)
        assert target.tend()
        target.send(said)
        subscriber.wait_for("streamer/gate/events", said.body)
    with subscribed(broker.port, "late") as late:
        late.wait_for("streamer/availability", "online")
        assert late.on("streamer/gate/events") == []


def test_states_are_retained_and_follow_the_events(mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path) -> None:
    broker, now = mosquitto(), [event()]
    target = mqtt(broker.port, cameras=[GATE], open_events=lambda _: now)
    with subscribed(broker.port) as subscriber:
        target.tend()
        target.send(message(tmp_path))
        now.clear()
        target.send(message(tmp_path, ended()))
        subscriber.wait_for("streamer/gate/class/person", "ON", "OFF")
        subscriber.wait_for("streamer/gate/zone/door/person", "ON", "OFF")
        subscriber.wait_for("streamer/gate/count", "1", "0")
        subscriber.wait_for("streamer/gate/counts", '{"person": 1}', '{"person": 0}')
    with subscribed(broker.port, "late") as late:
        late.wait_for("streamer/gate/class/person", "OFF")
        assert all(retained for topic, _, retained in late.got if topic.endswith("person"))


def test_an_event_does_not_wait_for_the_states_that_change_with_it(
    mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path
) -> None:
    broker = mosquitto()
    with EventStore(tmp_path / "events.db", targets=("mqtt",)) as store, subscribed(broker.port) as subscriber:
        target = mqtt(broker.port, cameras=[GATE], open_events=store.open_events)
        target.tend()
        subscriber.wait_for("streamer/gate/class/person", "OFF")
        store.record(event())
        target.tend()
        target.send(store.outbox("mqtt")[0])
        subscriber.wait_for("streamer/gate/class/person", "OFF", "ON")
        topics = [topic for topic, _, _ in subscriber.got]
        assert topics.index("streamer/gate/events") < len(topics) - 1 - topics[::-1].index("streamer/gate/class/person")


def test_the_last_snapshot_is_retained(mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path) -> None:
    broker, picture = mosquitto(), tmp_path / "a.jpg"
    picture.write_bytes(b"\xff\xd8 a picture \xff\xd9")
    target = mqtt(broker.port, cameras=[GATE])
    target.tend()
    target.send(message(tmp_path, event(snapshot=picture)))
    with subscribed(broker.port, "late") as late:
        wait_until(lambda: late.on("streamer/gate/snapshot") == [picture.read_bytes()])


def test_the_last_snapshot_of_before_the_start_is_shown_to_a_broker_that_lost_it(
    mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path
) -> None:
    broker, picture = mosquitto(), tmp_path / "last.jpg"
    picture.write_bytes(b"picture")
    with EventStore(tmp_path / "events.db") as store:
        store.record(event(1, snapshot=picture))
        store.record(event(2))
        target = mqtt(broker.port, cameras=[GATE], last_snapshot=store.last_snapshot)
        target.tend()
    with subscribed(broker.port, "late") as late:
        late.wait_for("streamer/gate/snapshot", "picture")


def test_no_snapshot_leaves_where_none_is_wanted(mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path) -> None:
    broker, picture = mosquitto(), tmp_path / "a.jpg"
    picture.write_bytes(b"\xff\xd8 a picture \xff\xd9")
    target = mqtt(broker.port, cameras=[GATE], snapshots=False)
    target.tend()
    target.send(message(tmp_path, event(snapshot=picture)))
    with subscribed(broker.port, "late") as late:
        late.wait_for("streamer/availability", "online")
        assert late.on("streamer/gate/snapshot") == []


def test_a_snapshot_that_is_gone_costs_no_event(
    mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = mqtt(mosquitto().port, cameras=[GATE])
    target.tend()
    target.send(message(tmp_path, event(snapshot=tmp_path / "gone.jpg")))
    target.send(message(tmp_path, ended()))

    assert caplog.text.count("the snapshot gone.jpg is not sent: No such file or directory") == 1


def test_closing_says_offline_and_a_lost_process_is_said_by_the_last_will(mosquitto: StartMosquitto, mqtt: Open) -> None:
    broker = mosquitto()
    with subscribed(broker.port) as subscriber:
        target = mqtt(broker.port, cameras=[GATE])
        target.camera_state("gate", online=True)
        target.tend()
        subscriber.wait_for("streamer/gate/availability", "online")
        target.close()
        subscriber.wait_for("streamer/availability", "online", "offline")
        subscriber.wait_for("streamer/gate/availability", "online", "offline")

        lost = mqtt(broker.port)
        lost.tend()
        subscriber.wait_for("streamer/availability", "offline", "online")
        lost._drop()
        subscriber.wait_for("streamer/availability", "online", "offline")


def test_a_start_is_online_once_all_else_is_true(mosquitto: StartMosquitto, mqtt: Open) -> None:
    broker = mosquitto()
    with subscribed(broker.port) as subscriber:
        mqtt(broker.port, cameras=[GATE], ha_discovery=True).tend()
        subscriber.wait_for("streamer/availability", "online")
        topics = [topic for topic, _, _ in subscriber.got]
        assert topics[-1] == "streamer/availability"
        assert {"streamer/gate/availability", "streamer/gate/class/person", "streamer/gate/count"} < set(topics)


def test_a_camera_that_comes_or_goes_wakes_and_is_told(mosquitto: StartMosquitto, mqtt: Open) -> None:
    broker, woken = mosquitto(), threading.Event()
    target = mqtt(broker.port, cameras=[GATE])
    target.start(woken.set)
    with subscribed(broker.port) as subscriber:
        target.tend()
        subscriber.wait_for("streamer/gate/availability", "offline")
        target.camera_state("gate", online=True)
        assert woken.is_set()
        target.tend()
        subscriber.wait_for("streamer/gate/availability", "offline", "online")
        woken.clear()
        target.camera_state("gate", online=True)
        assert not woken.is_set(), "nothing has changed"


def test_cameras_are_announced_to_home_assistant(mosquitto: StartMosquitto, mqtt: Open) -> None:
    broker = mosquitto()
    mqtt(broker.port, cameras=[GATE], ha_discovery=True).tend()
    with subscribed(broker.port, "late") as late:
        topic = "homeassistant/device/streamer_gate/config"
        wait_until(lambda: late.on(topic))
        payload = json.loads(late.on(topic)[0])
    assert payload["device"]["name"] == "gate"
    assert set(payload["components"]) == {
        "occupied", "class_person", "zone_door", "zone_door_person_ea513e", "count", "snapshot", "connection",
    }  # fmt: skip


def test_what_is_no_more_is_removed_from_home_assistant(mosquitto: StartMosquitto, mqtt: Open) -> None:
    broker, topic = mosquitto(), "homeassistant/device/streamer_gate/config"
    before = mqtt(broker.port, cameras=[GATE], ha_discovery=True)
    before.tend()
    before.close()
    for _ in range(2):  # it stays said at the next start
        woken = threading.Event()
        with subscribed(broker.port, "late") as late:
            wait_until(lambda: late.on(topic))
            now = mqtt(broker.port, cameras=[WatchedCamera("gate", ("person",))], ha_discovery=True)
            now.start(woken.set)
            now.tend()
            assert woken.wait(30)
            now.tend()
            wait_until(lambda: b"zone_door" in late.on(topic)[-1] and len(late.on(topic)) >= 3)
            now.close()
        components = json.loads(late.on(topic)[-1])["components"]
        assert components["zone_door"] == {"platform": "binary_sensor"}
        assert components["class_person"]["name"] == "Person"


def test_the_birth_of_home_assistant_is_answered_with_all_there_is(mosquitto: StartMosquitto, mqtt: Open) -> None:
    broker, woken = mosquitto(), threading.Event()
    target = mqtt(broker.port, cameras=[GATE], ha_discovery=True)
    target.start(woken.set)
    with subscribed(broker.port) as subscriber:
        target.tend()
        topic = "homeassistant/device/streamer_gate/config"
        wait_until(lambda: len(subscriber.on(topic)) == 1)
        # The subscription may reach the broker after what was published.
        while not woken.wait(0.2):
            subscriber.publish("homeassistant/status", "online")
        target.tend()
        wait_until(lambda: len(subscriber.on(topic)) == 2)
        subscriber.wait_for("streamer/gate/class/person", "OFF", "OFF")
        subscriber.wait_for("streamer/availability", "online", "online")


def test_without_discovery_home_assistant_is_left_alone(mosquitto: StartMosquitto, mqtt: Open) -> None:
    broker = mosquitto()
    mqtt(broker.port, cameras=[GATE]).tend()
    with subscribed(broker.port, "late") as late:
        late.wait_for("streamer/gate/count", "0")
        assert not [topic for topic, _, _ in late.got if topic.startswith("homeassistant")]


def test_user_and_password(mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    # As mosquitto_passwd writes "user" with "s3cret".
    passwords.write_text(password_line("user", "s3cret"))
    broker = mosquitto("allow_anonymous false", f"password_file {passwords}")

    mqtt(broker.port, user="user", password="s3cret").tend()
    for said in ({}, {"user": "user", "password": "wrong"}):
        with pytest.raises(TargetUnavailable, match="refuses: Not authorized; check user and password"):
            mqtt(broker.port, client_id="another", **said).tend()


def password_line(user: str, password: str) -> str:
    import base64
    import hashlib

    salt = b"0123456789ab"
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"{user}:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}\n"


# paho-mqtt leaves the socket of a failed handshake to Python to close.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_checks_the_broker(mosquitto: StartMosquitto, mqtt: Open, tls: StartTls, certificate: Certificate) -> None:
    port = tls(mosquitto().port).port

    mqtt(port, "localhost", context=tls_context(ca=certificate.file)).tend()
    mqtt(port, "localhost", context=tls_context(insecure=True), client_id="another").tend()
    with pytest.raises(TargetUnavailable, match="certificate verify failed"):
        mqtt(port, "localhost", context=tls_context(), client_id="third").tend()


def test_a_client_certificate(mosquitto: StartMosquitto, mqtt: Open, certificate: Certificate) -> None:
    files = f"cafile {certificate.file}", f"certfile {certificate.file}", f"keyfile {certificate.key}"
    broker = mosquitto("allow_anonymous true", *files, "require_certificate true")
    shown = tls_context(ca=certificate.file, certificate=certificate.file, key=certificate.key)

    mqtt(broker.port, "localhost", context=shown).tend()
    with pytest.raises(TargetUnavailable, match=r"closed the connection: .*; check TLS, certificates and port"):
        mqtt(broker.port, "localhost", context=tls_context(ca=certificate.file), client_id="another").tend()


def test_certificates_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read certificates in .*nowhere"):
        tls_context(ca=tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"cannot read client certificate and key in .*nowhere"):
        tls_context(certificate=tmp_path / "nowhere")


def test_a_message_that_may_not_be_written_is_no_message_that_was_sent(
    mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path
) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic readwrite streamer/availability\ntopic read #\n")
    target = mqtt(mosquitto("allow_anonymous true", f"acl_file {rights}").port)
    target.tend()
    with pytest.raises(TargetUnavailable, match=r"does not take streamer/gate/events: Not authorized; allow this user"):
        target.send(message(tmp_path))


def test_a_message_that_is_too_large_is_refused_and_a_snapshot_left_out(
    mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path
) -> None:
    broker, picture = mosquitto("allow_anonymous true", "max_packet_size 2000"), tmp_path / "a.jpg"
    picture.write_bytes(b"x" * 4000)
    target = mqtt(broker.port)
    target.tend()
    with subscribed(broker.port) as subscriber:
        said = message(tmp_path, event(snapshot=picture))
        target.send(said)
        subscriber.wait_for("streamer/gate/events", said.body)
    with pytest.raises(MessageRefused, match="takes no more than 2000 bytes"):
        target.send(message(tmp_path, event(zones=("z" * 3000,))))


def test_nobody_there(mqtt: Open, mosquitto: StartMosquitto) -> None:
    broker = mosquitto()
    broker.stop()
    with pytest.raises(TargetUnavailable, match=rf"cannot reach the MQTT broker 127.0.0.1:{broker.port}: .*refused"):
        mqtt(broker.port).tend()


def test_a_broker_that_was_killed_is_noticed_and_connected_to_again(
    mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path
) -> None:
    broker, woken = mosquitto(), threading.Event()
    target = mqtt(broker.port)
    target.start(woken.set)
    target.tend()
    broker.kill()
    assert woken.wait(30)
    with pytest.raises(TargetUnavailable):
        target.tend()
    broker.start()
    target.tend()
    target.send(message(tmp_path))


def test_a_frozen_broker_has_not_taken_the_message(mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path) -> None:
    broker, said = mosquitto(), message(tmp_path)
    target = mqtt(broker.port, answer_s=0.3)
    target.tend()
    broker.freeze()
    with pytest.raises(TargetUnavailable, match="does not answer"):
        target.send(said)


def test_a_wait_can_be_interrupted_and_closing_is_quick(mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path) -> None:
    broker, said = mosquitto(), message(tmp_path)
    target = mqtt(broker.port, answer_s=60.0)
    target.tend()
    broker.freeze()
    thread = threading.Thread(target=target.interrupt)
    thread.start()
    with pytest.raises(TargetUnavailable, match="stopped"):
        target.send(said)
    thread.join()
    begun = time.monotonic()
    target.close()
    assert time.monotonic() - begun < 30


def test_an_old_broker_is_spoken_to_as_it_understands(mqtt: Open, tmp_path: Path) -> None:
    """It is one that knows MQTT 3.1.1 only, and acknowledges what it is told."""
    levels: list[int] = []

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                levels.append(connection.recv(1000)[8])
                if levels[-1] != 4:
                    connection.sendall(b"\x20\x02\x00\x01")  # unacceptable protocol version
                    continue
                connection.sendall(b"\x20\x02\x00\x00")
                while kind := connection.recv(1):
                    length, shift = 0, 0
                    while True:
                        byte = connection.recv(1)[0]
                        length, shift = length | (byte & 127) << shift, shift + 7
                        if byte < 128:
                            break
                    packet = connection.recv(length, socket.MSG_WAITALL)
                    if kind[0] >> 4 == 3:  # PUBLISH: the identifier follows the topic
                        at = 2 + int.from_bytes(packet[:2])
                        connection.sendall(b"\x40\x02" + packet[at : at + 2])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        target = mqtt(listener.getsockname()[1])
        target.tend()
        target.send(message(tmp_path))
        target.close()
        thread.join()
    assert levels == [5, 4]


def test_the_log_is_quiet_about_what_goes_well(
    mosquitto: StartMosquitto, mqtt: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        target = mqtt(mosquitto().port, cameras=[GATE], ha_discovery=True)
        target.tend()
        target.send(message(tmp_path))
        target.close()
    assert caplog.text == ""
