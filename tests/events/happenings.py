"""Events for tests."""

from __future__ import annotations

from typing import Any

from streamer.events.event import Event, EventObject, new_id

START_UTC = 1_767_225_600.25


def event(number: int = 1, **changes: Any) -> Event:
    """A person in the zone ``door`` of the camera ``gate``, with an id that sorts by ``number``."""
    said: dict[str, Any] = {
        "id": new_id(START_UTC + number, random_bits=number),
        "camera": "gate",
        "kind": "new",
        "start_utc": START_UTC + number,
        "start_s": 12.5,
        "classes": ("person",),
        "scores": (0.875,),
        "zones": ("door",),
        "track_ids": (7,),
        "objects": (EventObject(7, "person", 0.875, ("door",)),),
    }
    return Event(**{**said, **changes})


def ended(number: int = 1, **changes: Any) -> Event:
    """The same event at its end."""
    said = event(number, **changes)
    return said.ended(said.start_utc + 4, said.start_s + 4)
