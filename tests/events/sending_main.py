"""A program that makes events and delivers them until it is killed: ``python -m tests.events.sending_main DB URL``.

Each event has three changes. A line on stdout follows each change that is recorded: from then on it must arrive.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from dataclasses import replace

from streamer.events.delivery import Delivery
from streamer.events.event import new_id
from streamer.events.store import EventStore
from streamer.events.targets.webhook import Webhook
from streamer.sources.backoff import Backoff
from tests.events.happenings import event


def main() -> None:
    path, url = sys.argv[1:]
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    backoff = Backoff(initial_s=0.005, max_s=0.05)
    with (
        EventStore(path, targets=("webhook",)) as store,
        Delivery(store, [Webhook(url, secret="s3cret")], backoff=backoff),
    ):
        while not stopped.is_set():
            said = replace(event(), id=new_id(time.time()))
            for change in (said, replace(said, kind="update"), said.ended(said.start_utc + 1, None)):
                number = store.record(change)
                print(f"{change.id}-{number}", flush=True)
        while store.waiting("webhook"):
            stopped.wait()
            time.sleep(0.01)


if __name__ == "__main__":
    main()
