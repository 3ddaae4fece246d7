"""Delivery to a real broker that is killed, and away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer.events.delivery import Delivery
from streamer.events.states import WatchedCamera, WatchedZone
from streamer.events.store import EventStore
from streamer.events.targets.mqtt import Broker, Mqtt
from streamer.runtime.backoff import Backoff
from tests.events.broker import StartMosquitto, mosquitto, subscribed
from tests.events.happenings import ended, event
from tests.waiting import wait_until

__all__ = ["mosquitto"]

pytestmark = pytest.mark.slow

GATE = WatchedCamera("gate", ("person",), (WatchedZone("door", ("person",)),))
QUICK = Backoff(initial_s=0.01, max_s=0.1)


def test_a_broker_that_is_killed_and_away_loses_nothing(mosquitto: StartMosquitto, tmp_path: Path) -> None:
    broker = mosquitto()
    with EventStore(tmp_path / "events.db", targets=("mqtt",)) as store:
        place = Broker(host="127.0.0.1", port=broker.port, client_id="streamer-test")
        target = Mqtt(place, cameras=[GATE], open_events=store.open_events, ha_discovery=True)
        recorded: list[str] = []

        def record(numbers: range) -> None:
            for number in numbers:
                recorded.extend(f"{change.id}-{store.record(change)}" for change in (event(number), ended(number)))

        with subscribed(broker.port) as subscriber, Delivery(store, [target], backoff=QUICK) as delivery:
            delivery.camera_state("gate", online=True)
            record(range(20))
            broker.kill()  # in mid-delivery
            record(range(20, 40))
            wait_until(lambda: delivery.status()[0].problem)
            broker.start()
            record(range(40, 60))
            wait_until(lambda: store.waiting("mqtt") == 0)
            wait_until(lambda: set(recorded) <= {json.loads(body)["key"] for body in subscriber.on("streamer/gate/events")})

            arrived = [json.loads(body)["key"] for body in subscriber.on("streamer/gate/events")]
            assert list(dict.fromkeys(arrived)) == recorded, "in order, and what came twice came with its key"
            subscriber.wait_for("streamer/availability", "online")
            subscriber.wait_for("streamer/gate/availability", "online")
            subscriber.wait_for("streamer/gate/class/person", "OFF")


def test_after_an_outage_states_say_what_is_true_then(mosquitto: StartMosquitto, tmp_path: Path) -> None:
    broker = mosquitto()
    broker.stop()
    with EventStore(tmp_path / "events.db", targets=("mqtt",)) as store:
        store.record(event(1))
        store.record(ended(1))
        place = Broker(host="127.0.0.1", port=broker.port, client_id="streamer-test")
        target = Mqtt(place, cameras=[GATE], open_events=store.open_events)
        with Delivery(store, [target], backoff=QUICK) as delivery:
            wait_until(lambda: delivery.status()[0].problem)
            broker.start()
            with subscribed(broker.port) as subscriber:
                wait_until(lambda: store.waiting("mqtt") == 0)
                subscriber.wait_for("streamer/gate/class/person", "OFF")
                assert b"ON" not in subscriber.on("streamer/gate/class/person"), "nobody is there any more"
