from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.events.event import Event, new_id
from tests.events.happenings import START_UTC, ended, event


def test_an_event_comes_back_from_json_as_it_was() -> None:
    said = event(snapshot=Path("/events/a.jpg"), clip=Path("/events/a.mp4"))

    assert Event.from_json(json.loads(json.dumps(said.as_json()))) == said


def test_json_says_the_time_as_text_too() -> None:
    assert event(0).as_json()["start_time"] == "2026-01-01T00:00:00.250Z"


def test_an_event_that_ended_has_no_objects_any_more() -> None:
    assert ended().objects == ()
    assert ended().end_utc == START_UTC + 5


def test_each_class_has_a_score() -> None:
    with pytest.raises(ValueError, match="a score for each of 2 classes, got 1"):
        event(classes=("person", "car"))


def test_only_the_end_has_a_time_of_the_end() -> None:
    with pytest.raises(ValueError, match="end_utc at the end and only there"):
        event(kind="end")


@given(st.floats(0, 2.8e11), st.floats(0, 2.8e11))
def test_ids_sort_by_time(first: float, second: float) -> None:
    ids = new_id(first), new_id(second)

    assert all(len(made) == 26 for made in ids)
    if int(first * 1000) != int(second * 1000):
        assert (ids[0] < ids[1]) == (first < second)


def test_an_id_is_as_the_specification_writes_it() -> None:
    # The example of the ULID specification: 1469918176.385 s.
    assert new_id(1469918176.385, random_bits=0) == "01ARYZ6S41" + "0" * 16
