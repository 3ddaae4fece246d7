"""Which events happen: scripted tracks, and any tracks at all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.events.event import Event
from streamer.events.tracker import Change, EventRules, EventTracker
from streamer.instances import Instances

SIZE = (640, 360)
NAMES = {1: "person", 2: "car"}
START_UTC = 1_770_000_000.0


def found(*rows: tuple[int, int], x: float = 100.0, side: float = 60.0, age_s: float = 0.0) -> Instances:
    """Tracks, each with its class."""
    n = len(rows)
    boxes = np.array([[x + 70 * i, 100, x + 70 * i + side, 100 + 2 * side] for i in range(n)], np.float32).reshape(-1, 4)
    return Instances(
        boxes_xyxy=boxes,
        scores=np.full(n, 0.8, np.float32),
        class_ids=np.array([class_id for _, class_id in rows], np.int64),
        track_ids=np.array([track for track, _ in rows], np.int64),
        mask_age_s=np.full(n, age_s, np.float32),
    )


def tracker(**rules: object) -> EventTracker:
    numbers = itertools.count(1)
    return EventTracker("gate", EventRules(**rules), NAMES.__getitem__, make_id=lambda _utc_s: f"E{next(numbers)}")  # type: ignore[arg-type]


def run(
    events: EventTracker, frames: dict[float, Instances], until: float, zones: tuple[tuple[str, ...], ...] = ()
) -> list[Change]:
    """Ten frames a second; those that are not named are empty."""
    changes = []
    for tick in range(round(until * 10) + 1):
        time_s = tick / 10
        changes += events.update(frames.get(time_s, Instances.empty()), zones, time_s, START_UTC + time_s, SIZE)
    return changes


def there(start: float, end: float, *rows: tuple[int, int]) -> dict[float, Instances]:
    return {tick / 10: found(*rows) for tick in range(round(start * 10), round(end * 10) + 1)}


def kinds(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.event.id, change.event.kind) for change in changes]


def test_an_event_begins_when_its_object_came_and_ends_when_it_was_seen_last() -> None:
    changes = run(tracker(), there(1.0, 4.0, (7, 1)), 10.0)
    assert kinds(changes) == [("E1", "new"), ("E1", "end")]
    end = changes[-1].event
    assert (end.start_s, end.end_s) == pytest.approx((1.0, 4.0))
    assert (end.start_utc, end.end_utc) == pytest.approx((START_UTC + 1.0, START_UTC + 4.0))
    assert (end.classes, end.track_ids, end.objects) == (("person",), (7,), ())
    assert changes[0].view == 0


def test_a_glimpse_is_no_event_nor_is_what_the_detector_found_once() -> None:
    assert run(tracker(), there(1.0, 1.8, (7, 1)), 10.0) == []
    once = {tick / 10: found((7, 1), age_s=tick / 10 - 1.0) for tick in range(10, 60)}
    assert run(tracker(), once, 10.0) == []


def test_objects_that_are_there_together_or_soon_after_are_one_event() -> None:
    frames = {**there(1.0, 4.0, (7, 1)), **there(5.5, 8.0, (9, 2))}
    changes = run(tracker(merge_after_s=3.0), frames, 20.0)
    assert kinds(changes) == [("E1", "new"), ("E1", "update"), ("E1", "end")]
    assert changes[-1].event.track_ids == (7, 9)
    assert changes[-1].event.classes == ("person", "car")
    apart = run(tracker(merge_after_s=1.0), frames, 20.0)
    assert kinds(apart) == [("E1", "new"), ("E1", "end"), ("E2", "new"), ("E2", "end")]


def test_an_object_that_came_in_time_but_has_to_be_there_for_longer_belongs_to_the_event() -> None:
    changes = run(tracker(min_duration_s=1.0), {**there(0, 4.0, (1, 1)), **there(6.5, 9.0, (2, 1))}, 20.0)
    assert kinds(changes) == [("E1", "new"), ("E1", "update"), ("E1", "end")]
    assert changes[-1].event.track_ids == (1, 2)
    assert changes[-1].event.end_s == 9.0


def test_a_glimpse_in_time_delays_the_end_by_little() -> None:
    events = tracker(min_duration_s=1.0)
    glimpses = {tick / 10: found((tick, 1)) for tick in range(60, 70, 3)}
    assert kinds(run(events, {**there(0, 4.0, (1, 1)), **glimpses}, 9.0)) == [("E1", "new"), ("E1", "end")]
    assert events.current is None


def test_an_object_that_is_away_for_longer_than_events_are_merged_makes_an_event_of_its_own() -> None:
    changes = run(tracker(min_duration_s=0.3, merge_after_s=0.2), {**there(0, 2.0, (1, 1)), **there(2.5, 4.0, (1, 1))}, 6.0)
    assert kinds(changes) == [("E1", "new"), ("E1", "end"), ("E2", "new"), ("E2", "end")]
    assert [(change.event.start_s, change.event.end_s) for change in changes if change.event.kind == "end"] == [
        (0, 2),
        (2.5, 4),
    ]


def test_tracks_that_flicker_change_nothing_and_one_that_leaves_is_told_once() -> None:
    events, changes = tracker(), []
    for tick in range(250):
        here = found((1, 1), (2, 1)) if tick < 150 and tick % 3 else found((1, 1))
        changes += events.update(here, (), tick / 25, START_UTC + tick / 25, SIZE)
    assert [len(change.event.objects) for change in changes] == [1, 2, 1]


def test_an_event_that_goes_on_for_long_keeps_the_newest_tracks() -> None:
    events, changes = tracker(min_duration_s=0.0), []
    for tick in range(2_500):
        rows = [(1, 1), (10 + tick // 2, 1)]  # one that stays, and others that pass
        changes += events.update(found(*rows), (), tick / 10, START_UTC + tick / 10, SIZE)
    last = changes[-1].event
    assert 1_000 <= len(last.track_ids) <= 1_001 + len(last.objects)
    assert 1 in last.track_ids
    assert len(changes) < 5_000


def test_only_wanted_classes_and_zones_count() -> None:
    frames = there(1.0, 4.0, (7, 1), (8, 2))
    assert run(tracker(classes=frozenset({"car"})), frames, 9.0)[-1].event.track_ids == (8,)
    assert run(tracker(zones=frozenset({"door"})), frames, 9.0, ((), ("door",)))[-1].event.track_ids == (8,)
    assert run(tracker(zones=frozenset({"door"})), frames, 9.0) == []


def test_a_better_view_and_another_zone_are_told() -> None:
    events = tracker()
    run(events, there(0.0, 2.0, (7, 1)), 2.0)
    near = events.update(found((7, 1), side=120.0), (), 2.1, START_UTC + 2.1, SIZE)
    assert [(change.event.kind, change.view) for change in near] == [("update", 0)]
    moved = events.update(found((7, 1), side=120.0), (("door",),), 2.2, START_UTC + 2.2, SIZE)
    assert [(change.event.kind, change.view, change.event.zones) for change in moved] == [("update", None, ("door",))]
    assert events.update(found((7, 1), side=120.0), (("door",),), 2.3, START_UTC + 2.3, SIZE) == []


def test_time_that_goes_back_and_the_end_of_the_stream_end_an_event() -> None:
    events = tracker()
    run(events, there(0.0, 3.0, (7, 1)), 3.0)
    (change,) = events.update(Instances.empty(), (), 1.0, START_UTC + 9.0, SIZE)
    assert change.event.kind == "end"
    assert change.event.end_s == pytest.approx(3.0)
    assert events.finish() == []


TRACKS = st.lists(st.tuples(st.integers(1, 4), st.sampled_from([1, 2])), max_size=4)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0.01, 5.0), TRACKS, st.floats(0, 3)), max_size=40),
    st.floats(0, 3),
    st.floats(0, 4),
)
def test_any_tracks_make_events_with_one_beginning_and_one_end(
    frames: list[tuple[float, list[tuple[int, int]], float]], min_duration_s: float, merge_after_s: float
) -> None:
    events, changes, time_s = tracker(min_duration_s=min_duration_s, merge_after_s=merge_after_s), [], 0.0
    for step, rows, age_s in frames:
        time_s += step
        changes += events.update(found(*rows, age_s=age_s), (), time_s, START_UTC + time_s, SIZE)
    changes += events.finish()
    told: dict[str, list[Event]] = {}
    for change in changes:
        told.setdefault(change.event.id, []).append(change.event)
    last_end = 0.0
    for happened in told.values():
        assert [event.kind for event in happened] == ["new", *["update"] * (len(happened) - 2), "end"]
        end = happened[-1]
        assert end.end_s is not None
        assert last_end <= end.start_s <= end.end_s <= time_s
        assert end.end_s - end.start_s >= min_duration_s - 1e-5
        assert end.track_ids
        last_end = end.end_s
