from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from streamer.events.event import EventObject
from streamer.events.states import WatchedCamera, WatchedZone, level, states
from tests.events.happenings import event

YARD = WatchedCamera("yard", ("person", "car"), (WatchedZone("door", ("person",)), WatchedZone("gate", ("person", "car"))))


def test_nothing_is_there_without_events() -> None:
    assert states(YARD, []) == {
        "occupied": "OFF",
        "class/person": "OFF",
        "class/car": "OFF",
        "zone/door": "OFF",
        "zone/door/person": "OFF",
        "zone/gate": "OFF",
        "zone/gate/person": "OFF",
        "zone/gate/car": "OFF",
        "count": "0",
        "counts": '{"person": 0, "car": 0}',
    }


def test_a_class_is_only_in_the_zones_that_an_object_of_it_is_in() -> None:
    there = (EventObject(1, "person", 0.9, ("door",)), EventObject(2, "car", 0.8, ("gate",)), EventObject(3, "car", 0.7))
    made = states(YARD, [event(objects=there)])

    assert [end for end, state in made.items() if state == "ON"] == [
        "occupied",
        "class/person",
        "class/car",
        "zone/door",
        "zone/door/person",
        "zone/gate",
        "zone/gate/car",
    ]
    assert (made["count"], json.loads(made["counts"])) == ("3", {"person": 1, "car": 2})


def test_an_object_in_two_events_counts_once() -> None:
    there = (EventObject(1, "person", 0.9),)
    assert states(YARD, [event(1, objects=there), event(2, objects=there)])["count"] == "1"


def test_a_class_that_is_not_watched_counts_but_has_no_state_of_its_own() -> None:
    made = states(YARD, [event(objects=(EventObject(1, "dog", 0.9, ("door",)),))])

    assert (made["count"], json.loads(made["counts"])["dog"]) == ("1", 1)
    assert [end for end, state in made.items() if state == "ON"] == ["occupied", "zone/door"]
    assert not [end for end in made if "dog" in end]


def test_names_become_one_level_of_a_topic() -> None:
    assert level("front door") == "front door"
    assert level("a/b+c#d%\n") == "a%2Fb%2Bc%23d%25%0A"


@given(st.text(), st.text())
def test_two_names_never_become_the_same_level(first: str, second: str) -> None:
    assert (level(first) == level(second)) == (first == second)
    assert not set(level(first)) & set("/+#\x00")
