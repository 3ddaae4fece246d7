"""One message to each target, to see whether it is taken."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.errors import DeliveryError, in_one_line
from streamer.events.event import Event, new_id
from streamer.events.store import EventStore
from streamer.events.target import Target
from streamer.redact import redact

CAMERA = "test-delivery"
"""The camera of the event that is sent: no real one's topics and states are touched."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How one target answered."""

    target: str
    key: str
    """Key of the message that was sent."""
    seconds: float
    problem: str
    """Why it was not taken; empty where it was."""


def try_targets(targets: Sequence[Target]) -> list[Trial]:
    """Send an event that has ended already to each of ``targets``, once, and close them."""
    now = time.time()
    event = Event(
        id=new_id(now),
        camera=CAMERA,
        kind="end",
        start_utc=now,
        end_utc=now,
        start_s=0.0,
        end_s=0.0,
        classes=("person",),
        scores=(1.0,),
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        EventStore(Path(folder, "events.db"), targets=[target.name for target in targets]) as store,
    ):
        store.record(event)
        return [_try(target, store) for target in targets]


def _try(target: Target, store: EventStore) -> Trial:
    (message,) = store.outbox(target.name)
    begun = time.monotonic()
    problem = ""
    try:
        target.start(lambda: None)
        target.tend()
        target.send(message)
    except DeliveryError as error:
        problem = redact(in_one_line(error))
    finally:
        seconds = time.monotonic() - begun
        target.close()
    return Trial(target.name, message.key, seconds, problem)
