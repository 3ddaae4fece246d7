"""What is there now before each camera, as states that change; events tell what happened."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from streamer.events.event import Event

ON, OFF = "ON", "OFF"
OCCUPIED = "occupied"
"""The end of the topic that says whether any object is there."""


@dataclass(frozen=True, slots=True)
class WatchedZone:
    """A zone, and the classes whose states in it are shown."""

    name: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WatchedCamera:
    """A camera, and the classes and zones whose states are shown."""

    name: str
    classes: tuple[str, ...] = ()
    zones: tuple[WatchedZone, ...] = ()


def states(camera: WatchedCamera, open_events: Iterable[Event]) -> dict[str, str]:
    """The states of a camera by the end of their topic, from its events that have not ended.

    ``occupied``: whether any object is there; ``class/person``: whether a person is; ``zone/door``, ``zone/door/person``:
    the same of a zone; ``count``: how many objects; ``counts``: how many of each class, as JSON.
    """
    # An object is in one event only, but an event that was merged may name it again.
    objects = {item.track_id: item for event in open_events for item in event.objects}.values()
    there = {OCCUPIED} if objects else set()
    there |= {class_topic(item.class_name) for item in objects}
    there |= {zone_topic(zone) for item in objects for zone in item.zones}
    there |= {zone_topic(zone, item.class_name) for item in objects for zone in item.zones}
    topics = [OCCUPIED, *(class_topic(name) for name in camera.classes)]
    for zone in camera.zones:
        topics += [zone_topic(zone.name), *(zone_topic(zone.name, name) for name in zone.classes)]
    counts = Counter(dict.fromkeys(camera.classes, 0))
    counts.update(item.class_name for item in objects)
    return {
        **{topic: ON if topic in there else OFF for topic in topics},
        "count": str(len(objects)),
        "counts": json.dumps(counts, ensure_ascii=False),
    }


def class_topic(name: str) -> str:
    """The end of the topic of a class."""
    return f"class/{level(name)}"


def zone_topic(zone: str, name: str | None = None) -> str:
    """The end of the topic of a class in a zone, or of any object in it."""
    return f"zone/{level(zone)}" if name is None else f"zone/{level(zone)}/{level(name)}"


def level(name: str) -> str:
    """``name`` as one level of an MQTT topic: what separates or matches levels is written as ``%2F``."""
    return re.sub(r"[+#/%\x00-\x1f\x7f-\x9f]", lambda found: f"%{ord(found[0]):02X}", name)
