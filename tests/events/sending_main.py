"""A program that makes events and delivers them until it is killed: ``python -m tests.events.sending_main DB URL``.

Each event has three changes. A line on stdout follows each change that is recorded: from then on it must arrive. A change that
cannot be written, as on a full disk, is tried again. With ``--mqtt PORT`` a broker is told, too; ``--pause`` makes it slower.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import threading
import time
from dataclasses import replace

from streamer.errors import OutputWriteFailed
from streamer.events.delivery import Delivery
from streamer.events.event import Event, new_id
from streamer.events.store import EventStore
from streamer.events.target import Target
from streamer.events.targets.mqtt import Broker, Mqtt
from streamer.events.targets.webhook import Webhook
from streamer.runtime.backoff import Backoff
from tests.events.happenings import event

CAMERAS = ("gate", "yard")
SECRET = "s3cret"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("url")
    parser.add_argument("--mqtt", type=int)
    parser.add_argument("--pause", type=float, default=0.0)
    options = parser.parse_args()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    targets: list[Target] = [Webhook(options.url, secret=SECRET)]
    if options.mqtt is not None:
        targets.append(Mqtt(Broker(host="127.0.0.1", port=options.mqtt, client_id="sending")))
    names = [target.name for target in targets]
    backoff = Backoff(initial_s=0.005, max_s=0.05)
    with EventStore(options.path, targets=names) as store, Delivery(store, targets, backoff=backoff):
        make_events(store, stopped, options.pause)
        while any(store.waiting(name) for name in names):
            time.sleep(0.01)


def make_events(store: EventStore, stopped: threading.Event, pause_s: float) -> None:
    for camera in itertools.cycle(CAMERAS):
        said = replace(event(), id=new_id(time.time()), camera=camera)
        for change in (said, replace(said, kind="update"), said.ended(said.start_utc + 1, None)):
            record(store, change, stopped)
            stopped.wait(pause_s)
        if stopped.is_set():
            return


def record(store: EventStore, change: Event, stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            number = store.record(change)
        except OutputWriteFailed:
            stopped.wait(0.01)
        else:
            print(f"{change.id}-{number}", flush=True)
            return


if __name__ == "__main__":
    main()
