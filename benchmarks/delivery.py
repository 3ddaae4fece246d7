"""How soon a broker and a webhook receiver know what was decided: from before a change is recorded to its arrival there.

    python -m benchmarks.delivery [--changes 400] [--every 0.05]

A real mosquitto and a receiver on this machine. Each change has a snapshot of 60 kB, which the broker keeps and the receiver
gets as a part of the form. Changes are recorded in their own rhythm, whether the last one has arrived or not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamer.events.delivery import Delivery
from streamer.events.event import new_id
from streamer.events.states import WatchedCamera, WatchedZone
from streamer.events.store import EventStore
from streamer.events.targets.mqtt import Broker, Mqtt
from streamer.events.targets.webhook import Webhook
from tests.events.broker import Mosquitto, Subscriber
from tests.events.happenings import event
from tests.events.receiver import Receiver
from tests.waiting import wait_until

CAMERAS = [WatchedCamera(name, ("person",), (WatchedZone("door", ("person",)),)) for name in ("gate", "yard")]


class Arrivals(list[Any]):
    """What arrived, and when, in monotonic seconds."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def append(self, item: Any) -> None:
        self.times.append(time.monotonic())
        super().append(item)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=400)
    parser.add_argument("--every", type=float, default=0.05, help="seconds from one to the next")
    options = parser.parse_args()
    published, posted = Arrivals(), Arrivals()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker, receiver = Mosquitto(folder), Receiver(taken=posted)
        broker.start()
        receiver.start()
        subscriber = Subscriber(broker.port, got=published)
        try:
            decided = deliver(folder, broker.port, receiver.url, options.changes, options.every)
            wait_until(lambda: len(told(published)) >= options.changes)
        finally:
            subscriber.close()
            receiver.stop()
            broker.kill()
    spread("MQTT broker", decided, told(published))
    spread("webhook", decided, [(post.key, at) for post, at in zip(posted, posted.times, strict=True)])


def deliver(folder: Path, port: int, url: str, changes: int, every_s: float) -> dict[str, float]:
    """Record changes and send them; when each was decided, by key."""
    snapshot = folder / "snapshot.jpg"
    snapshot.write_bytes(os.urandom(60_000))
    decided, pause = {}, threading.Event()
    with EventStore(folder / "events.db", targets=("mqtt", "webhook")) as store:
        place = Broker(host="127.0.0.1", port=port, client_id="benchmark")
        mqtt = Mqtt(place, cameras=CAMERAS, open_events=store.open_events, ha_discovery=True)
        with Delivery(store, [mqtt, Webhook(url, secret="s3cret", snapshot="multipart")]) as delivery:
            for number in range(changes):
                said = replace(event(), id=new_id(time.time()), camera=CAMERAS[number % 2].name, snapshot=snapshot)
                begun = time.monotonic()
                decided[f"{said.id}-{store.record(said.ended(said.start_utc, None))}"] = begun
                pause.wait(every_s)
            wait_until(lambda: not any(status.waiting for status in delivery.status()))
    return decided


def told(published: Arrivals) -> list[tuple[str, float]]:
    """The key of each change that a subscriber got, and when."""
    got = list(zip(list(published), list(published.times), strict=False))
    return [(json.loads(body)["key"], at) for (topic, body, _), at in got if topic.endswith("/events")]


def spread(name: str, decided: dict[str, float], arrived: Iterable[tuple[str, float]]) -> None:
    """Print how long it took."""
    first: dict[str, float] = {}
    for key, at in arrived:
        first.setdefault(key, at)
    took_ms = sorted(1e3 * (first[key] - begun) for key, begun in decided.items())
    p95 = took_ms[int(0.95 * (len(took_ms) - 1))]
    print(
        f"decision to {name:12} median {statistics.median(took_ms):5.1f} ms, p95 {p95:5.1f} ms, longest {took_ms[-1]:5.1f} ms "
        f"({len(took_ms)} changes)",
        flush=True,
    )


if __name__ == "__main__":
    main()
