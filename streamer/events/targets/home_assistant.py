"""Cameras as devices of Home Assistant, by its MQTT discovery: they appear there without any YAML."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from streamer._version import __version__
from streamer.events.states import OCCUPIED, OFF, ON, WatchedCamera, class_topic, level, zone_topic

ONLINE, OFFLINE = "online", "offline"


def discovery(camera: WatchedCamera, topic: str, prefix: str) -> tuple[str, dict[str, Any]]:
    """The topic and the payload of the discovery of ``camera``, whose own topics begin with ``topic``.

    One device: occupancy sensors of the camera, of each class, of each zone and of each class in it; the number of objects, the
    last snapshot, and whether the camera delivers pictures. See
    https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
    """
    own = f"{topic}/{level(camera.name)}"
    device_id = f"{_identifier(topic)}_{_identifier(camera.name)}"
    process = {"topic": f"{topic}/availability"}
    components: dict[str, Any] = {}

    def add(key: str, platform: str, name: str, **said: object) -> None:
        components[key] = {"platform": platform, "name": name, "unique_id": f"{device_id}_{key}", **said}

    def add_occupancy(key: str, name: str, end_of_topic: str) -> None:
        said = {"device_class": "occupancy", "payload_on": ON, "payload_off": OFF}
        add(key, "binary_sensor", name, state_topic=f"{own}/{end_of_topic}", **said)

    add_occupancy("occupied", "Occupancy", OCCUPIED)
    for name in camera.classes:
        add_occupancy(f"class_{_identifier(name)}", _title(name), class_topic(name))
    for zone in camera.zones:
        add_occupancy(f"zone_{_identifier(zone.name)}", _title(zone.name), zone_topic(zone.name))
        for name in zone.classes:
            # The slash makes sure of a hash: zone "a", class "b_c" is not zone "a_b", class "c".
            key = f"zone_{_identifier(f'{zone.name}/{name}')}"
            add_occupancy(key, f"{_title(zone.name)} {name}", zone_topic(zone.name, name))
    add(
        "count",
        "sensor",
        "Objects",
        state_topic=f"{own}/count",
        json_attributes_topic=f"{own}/counts",
        state_class="measurement",
        icon="mdi:counter",
    )
    add("snapshot", "image", "Snapshot", image_topic=f"{own}/snapshot", content_type="image/jpeg")
    add(
        "connection",
        "binary_sensor",
        "Connection",
        state_topic=f"{own}/availability",
        payload_on=ONLINE,
        payload_off=OFFLINE,
        device_class="connectivity",
        entity_category="diagnostic",
        availability=[process],  # it is what says that the camera is away
    )
    payload = {
        "device": {
            "identifiers": [device_id],
            "name": camera.name,
            "manufacturer": "streamer",
            "model": "Camera",
            "sw_version": __version__,
        },
        "origin": {"name": "streamer", "sw_version": __version__},
        "availability": [process, {"topic": f"{own}/availability"}],
        "availability_mode": "all",
        "qos": 1,
        "components": components,
    }
    return f"{prefix}/device/{device_id}/config", payload


def with_removed(payload: dict[str, Any], earlier: bytes) -> dict[str, Any]:
    """``payload`` with what only an ``earlier`` one had, such as zones that are no more, cut down to its platform.

    That is how Home Assistant is told to remove an entity. It stays said, for one that was not there to hear it.
    """
    try:
        before = json.loads(earlier)["components"].items()
        removed = {key: {"platform": item["platform"]} for key, item in before if key not in payload["components"]}
    except (ValueError, LookupError, TypeError, AttributeError):  # somebody else's message, or none of this version
        return payload
    return {**payload, "components": {**payload["components"], **removed}}


def birth_topic(prefix: str) -> str:
    """Where Home Assistant says ``online`` after it has started."""
    return f"{prefix}/status"


def _identifier(name: str) -> str:
    """``name`` in letters, digits, dashes and underscores; two names never become the same."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", name, re.ASCII):
        return name
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name, flags=re.ASCII).strip("_")
    return f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:6]}".lstrip("_")


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]
