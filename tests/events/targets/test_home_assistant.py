from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer._version import __version__
from streamer.events.states import WatchedCamera, WatchedZone, states
from streamer.events.targets.home_assistant import _identifier, discovery, with_removed

RECORDED = Path(__file__).with_name("discovery.json")
"""What a real Home Assistant made all entities of; written by ``python -m benchmarks.home_assistant HASS --record FILE``."""
BOTH = ("person", "car")
YARD = WatchedCamera("Front yard", BOTH, (WatchedZone("door", ("person",)), WatchedZone("drive/way", BOTH)))


def test_discovery_is_what_a_real_home_assistant_took() -> None:
    zones = (WatchedZone("middle", ("light",)), WatchedZone("corner", ("light",)))
    made = [discovery(WatchedCamera(name, ("light",), zones), "streamer", "homeassistant") for name in ("gate", "back yard")]
    text = json.dumps(dict(made)).replace(f'"{__version__}"', '"0.1.0"')
    assert json.loads(text) == json.loads(RECORDED.read_text(encoding="utf-8"))


def test_every_state_that_is_published_has_an_entity() -> None:
    _, payload = discovery(YARD, "streamer", "homeassistant")
    topics = {item["state_topic"] for item in payload["components"].values() if "state_topic" in item}

    own = "streamer/Front yard"
    assert topics == {f"{own}/{end}" for end in states(YARD, []) if end != "counts"} | {f"{own}/availability"}
    assert payload["components"]["count"]["json_attributes_topic"] == f"{own}/counts"
    assert payload["components"]["snapshot"]["image_topic"] == f"{own}/snapshot"


def test_a_device_is_what_home_assistant_asks_for() -> None:
    topic, payload = discovery(YARD, "streamer", "ha")

    assert re.fullmatch(r"ha/device/[A-Za-z0-9_-]+/config", topic)
    assert payload["device"]["name"] == "Front yard"
    assert payload["origin"]["name"] == "streamer"
    assert all({"platform", "unique_id", "name"} <= set(item) for item in payload["components"].values())
    unique = [item["unique_id"] for item in payload["components"].values()]
    assert len(set(unique)) == len(unique) == 1 + 2 + 2 + 3 + 3


def test_entities_are_unavailable_with_the_camera_but_its_connection_only_with_the_process() -> None:
    _, payload = discovery(YARD, "streamer", "homeassistant")

    assert payload["availability"] == [{"topic": "streamer/availability"}, {"topic": "streamer/Front yard/availability"}]
    assert payload["availability_mode"] == "all"
    assert payload["components"]["connection"]["availability"] == [{"topic": "streamer/availability"}]


def test_names_are_as_they_were_given() -> None:
    _, payload = discovery(YARD, "streamer", "homeassistant")
    named = [item["name"] for item in payload["components"].values() if item["platform"] == "binary_sensor"]

    zones = ["Door", "Door person", "Drive/way", "Drive/way person", "Drive/way car"]
    assert named == ["Occupancy", "Person", "Car", *zones, "Connection"]


@pytest.mark.parametrize("earlier", [b"", b"{", b"[]", b"null", b'{"components": []}', b'{"components": {"a": 1}}', b"\xff"])
def test_what_is_no_discovery_of_ours_removes_nothing(earlier: bytes) -> None:
    _, payload = discovery(YARD, "streamer", "homeassistant")
    assert with_removed(payload, earlier) == payload


def test_names_that_meet_in_the_middle_stay_apart() -> None:
    zones = (WatchedZone("a", ("b_c",)), WatchedZone("a_b", ("c",)))
    _, payload = discovery(WatchedCamera("gate", ("b_c", "c"), zones), "streamer", "homeassistant")
    assert len(payload["components"]) == 1 + 2 + 2 + 2 + 3


@given(st.text(min_size=1), st.text(min_size=1))
def test_identifiers_are_of_letters_and_digits_and_stay_apart(first: str, second: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", _identifier(first), re.ASCII)
    if first != second:
        assert _identifier(first) != _identifier(second)
