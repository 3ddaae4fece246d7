from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.analysis.facts import SceneFacts
from streamer.analysis.places import InvalidPlace, Line, Places, Zone
from streamer.analysis.scene import SceneAnalysis
from streamer.instances import NO_TRACK, Instances
from tests import strategies
from tests.analysis.walks import SIZE, Told, along, scene, times, walk

GATE = Line(name="gate", points=((0.1, 0.5), (0.9, 0.5)))  # y = 240, from x = 64 to 576; in is down
DOOR = Zone(name="door", polygon=((200.0, 200.0), (400.0, 200.0), (400.0, 400.0), (200.0, 400.0)))

RATES = pytest.mark.parametrize(
    ("fps", "dropped"),
    [(5, ()), (25, ()), (30, ()), (25, range(30, 36)), (25, [*range(1, 200, 3), *range(2, 200, 3)]), (12.5, ())],
)


@RATES
def test_each_walk_across_the_line_counts_once_at_any_rate(fps: float, dropped: list[int]) -> None:
    paths = {
        1: along((0, 100, 120), (4, 140, 420)),
        2: along((0, 300, 420), (3, 320, 130)),
        3: along((0, 20, 120), (4, 20, 420)),  # beside the line
        4: along((0, 500, 120), (2, 500, 244), (4, 500, 120)),  # touches it and turns back
        5: along((0, 400, 150), (2, 400, 330), (4, 400, 150)),  # there and back
    }
    told = walk(SceneAnalysis(lines=[GATE]), paths, times(8, fps, dropped))
    assert sorted((crossing.track_id, crossing.direction) for crossing in told.crossings) == [
        (1, "in"),
        (2, "out"),
        (5, "in"),
        (5, "out"),
    ]
    assert {crossing.track_id: crossing.time_s for crossing in told.crossings if crossing.track_id < 3} == {
        1: pytest.approx(1.6, abs=1e-3),
        2: pytest.approx(3 * 180 / 290, abs=1e-3),
    }
    assert told.frames[-1].crossed == ((2, 2),)


@RATES
def test_dwell_is_the_same_at_any_rate_within_a_frame(fps: float, dropped: list[int]) -> None:
    paths = {1: along((0, 100, 300), (2, 300, 300), (6, 300, 300), (8, 500, 300)), 2: along((0, 300, 300), (5, 300, 300))}
    told = walk(SceneAnalysis([DOOR]), paths, times(10, fps, dropped))
    assert [(entry.track_id, entry.time_s) for entry in told.entries] == [(2, 0.0), (1, pytest.approx(1.0, abs=1e-2))]
    dwell = {exit_.track_id: exit_.dwell_s for exit_ in told.exits}
    assert dwell[1] == pytest.approx(6.0, abs=2e-2)
    assert dwell[2] == pytest.approx(5.0, abs=3 / fps if dropped else 1 / fps)
    assert told.frames[-1].inside == (0,)


def test_a_jump_across_the_line_between_two_frames_counts() -> None:
    told = walk(SceneAnalysis(lines=[GATE]), {1: lambda t: (300, 150 if t < 0.5 else 330)}, times(1.2, 25))
    assert told.directions == ["in"]


def test_a_jump_past_the_end_of_the_line_does_not() -> None:
    told = walk(SceneAnalysis(lines=[GATE]), {1: lambda t: (600, 150 if t < 0.5 else 330)}, times(1.2, 25))
    assert told.directions == []


def test_jitter_on_the_line_counts_nothing() -> None:
    noise = np.random.default_rng(3).normal(0, 2, 5000)
    told = walk(SceneAnalysis(lines=[GATE]), {1: lambda t: (300, 240 + noise[round(t * 25)])}, times(120, 25))
    assert told.directions == []


def test_an_object_that_stops_right_behind_the_line_has_crossed() -> None:
    told = walk(SceneAnalysis(lines=[GATE]), {1: along((0, 300, 150), (1, 300, 243), (4, 300, 243))}, times(4, 25))
    assert told.directions == ["in"]


def test_what_appears_on_the_line_and_goes_away_has_not_crossed() -> None:
    told = walk(SceneAnalysis(lines=[GATE]), {1: along((0, 300, 238), (2, 300, 400))}, times(2, 25))
    assert told.directions == []


def test_flicker_at_the_edge_of_a_zone_counts_nothing() -> None:
    told = walk(SceneAnalysis([DOOR]), {1: lambda t: (198 + 4 * (round(t * 25) % 3 == 0), 300)}, times(20, 25))
    assert not told.entries
    assert not told.exits


def test_flicker_within_a_stay_does_not_end_it() -> None:
    door = Zone(name="door", polygon=DOOR.polygon, enter_after_s=0.3)
    told = walk(SceneAnalysis([door]), {1: lambda t: (300 if round(t * 25) % 10 else 500, 300)}, times(20, 25))
    assert len(told.entries) == len(told.exits) == 1
    assert told.exits[0].dwell_s == pytest.approx(20, abs=0.1)


@RATES
@pytest.mark.parametrize("absent_s", [0.0, 0.5, 1.4])
@pytest.mark.parametrize("at_s", [1.4, 1.6, 1.7])
def test_an_id_switch_on_the_line_counts_once(fps: float, dropped: list[int], absent_s: float, at_s: float) -> None:
    path = along((0, 300, 120), (4, 300, 420))
    paths = {
        1: lambda t: path(t) if t <= at_s else None,
        2: lambda t: path(t) if t > at_s + absent_s else None,
    }
    told = walk(SceneAnalysis(lines=[GATE]), paths, times(5, fps, dropped))
    assert told.directions == ["in"]


def test_an_id_switch_with_both_ids_for_a_while_counts_once() -> None:
    path = along((0, 300, 120), (4, 300, 420))
    paths = {1: lambda t: path(t) if t <= 1.75 else None, 2: lambda t: path(t) if t > 1.64 else None}
    assert walk(SceneAnalysis(lines=[GATE]), paths, times(5, 25)).directions == ["in"]


def test_an_id_switch_in_a_zone_is_one_stay() -> None:
    paths = {1: along((0, 300, 300), (3, 300, 300)), 2: along((3.2, 305, 302), (6, 300, 300))}
    told = walk(SceneAnalysis([DOOR]), paths, times(7, 25))
    assert len(told.entries) == len(told.exits) == 1
    assert told.exits[0].dwell_s == pytest.approx(6.0)


@RATES
def test_a_second_track_of_one_object_counts_nothing(fps: float, dropped: list[int]) -> None:
    path = along((0, 300, 120), (4, 300, 420))

    def double(time_s: float) -> tuple[float, float] | None:
        x, y = path(time_s) or (0.0, 0.0)
        return (x + 6, y - 4) if 0.4 < time_s < 3.2 else None

    told = walk(SceneAnalysis([DOOR], [GATE]), {1: path, 2: double}, times(6, fps, dropped))
    assert told.directions == ["in"]
    assert len(told.entries) == len(told.exits) == 1


def test_a_second_track_takes_over_when_the_first_one_ends() -> None:
    path = along((0, 300, 120), (4, 300, 420))
    paths = {1: lambda t: path(t) if t <= 1.5 else None, 2: lambda t: path(t) if t > 0.5 else None}
    told = walk(SceneAnalysis([DOOR], [GATE]), paths, times(6, 25))
    assert [(crossing.track_id, crossing.direction) for crossing in told.crossings] == [(2, "in")]
    assert len(told.entries) == len(told.exits) == 1


def test_a_box_around_two_is_no_third_object() -> None:
    paths = {
        1: along((0, 282, 300), (4, 282, 300)),
        2: along((0, 318, 300), (4, 318, 300)),
        3: along((1, 300, 300), (2, 300, 300)),
    }
    assert len(walk(SceneAnalysis([DOOR]), paths, times(5, 25)).entries) == 2


def test_one_who_comes_in_behind_another_counts_from_the_beginning() -> None:
    door = Zone(name="door", polygon=((0.0, 200.0), (640.0, 200.0), (640.0, 400.0), (0.0, 400.0)))
    paths = {1: along((0, 200, 300), (6, 200, 300)), 2: along((1, 202, 300), (2, 202, 300), (4, 400, 300), (6, 400, 300))}
    told = walk(SceneAnalysis([door]), paths, times(7, 25))
    assert [(entry.track_id, entry.time_s) for entry in told.entries] == [(1, 0.0), (2, 1.0)]


def test_two_side_by_side_are_two() -> None:
    paths = {1: along((0, 300, 120), (4, 300, 420)), 2: along((0, 322, 120), (4, 322, 420))}
    assert walk(SceneAnalysis(lines=[GATE]), paths, times(6, 25)).directions == ["in", "in"]


def test_an_object_is_continued_from_where_it_was_detected_not_from_where_it_was_carried() -> None:
    analysis, told = SceneAnalysis(lines=[GATE]), Told()
    path = along((0, 300, 120), (4, 300, 420))
    for time_s in times(4, 10):
        carried_s = max(0.0, time_s - 1.2)
        astray = (300 + 400 * carried_s, 210.0)
        feet = {1: astray if carried_s else path(time_s), 2: path(time_s)}
        found = scene({track: feet[track] for track in (1, 2) if (time_s < 1.85 if track == 1 else time_s > 1.65)})
        ages = np.where(found.track_ids == 1, carried_s, 0.0).astype(np.float32)
        told.add(analysis.update(replace(found, mask_age_s=ages), time_s, SIZE))
    told.add(analysis.finish())
    assert told.directions == ["in"]


def test_what_appears_elsewhere_is_another_object() -> None:
    paths = {1: along((0, 300, 200), (2, 300, 200)), 2: along((3, 430, 300), (6, 430, 300))}
    assert walk(SceneAnalysis(lines=[GATE]), paths, times(7, 25)).directions == []


def test_what_is_seen_once_takes_no_object_s_place() -> None:
    paths = {
        1: lambda t: None if 2.0 < t < 3.0 else (300, 210),
        2: lambda t: (300, 290) if 2.3 < t < 2.33 else None,
    }
    assert walk(SceneAnalysis(lines=[GATE]), paths, times(6, 25)).directions == []


def cut_at(cut_s: float, before: tuple[float, float], after: tuple[float, float]) -> Told:
    """An object that is there before a cut, and one, with another id, after it."""
    analysis, told, done = SceneAnalysis([DOOR], [GATE]), Told(), False
    for time_s in times(8, 25):
        cut = time_s >= cut_s and not done
        done |= cut
        told.add(analysis.update(scene({2: after} if done else {1: before}), time_s, SIZE, cut=cut))
    told.add(analysis.finish())
    return told


def test_after_a_cut_it_is_another_object() -> None:
    told = cut_at(4.0, (300, 230), (310, 260))
    assert told.directions == []
    assert [(entry.track_id, entry.time_s) for entry in told.entries] == [(1, 0.0), (2, 4.0)]
    assert [exit_.dwell_s for exit_ in told.exits] == [pytest.approx(3.96), pytest.approx(4.0)]


def test_one_who_stands_there_while_the_light_goes_on_has_not_left() -> None:
    told = cut_at(4.0, (300, 300), (304, 303))
    assert len(told.entries) == len(told.exits) == 1
    assert told.exits[0].dwell_s == pytest.approx(8.0)


def test_ids_that_are_exchanged_count_nothing() -> None:
    up, down = (300.0, 180.0), (300.0, 300.0)
    paths = {1: lambda t: up if t < 1 else down, 2: lambda t: down if t < 1 else up}
    assert walk(SceneAnalysis(lines=[GATE]), paths, times(3, 25)).directions == []


def test_two_who_cross_one_after_the_other_are_two() -> None:
    first, second = along((0, 300, 120), (2, 300, 420)), along((1.0, 300, 120), (3, 300, 420))
    assert walk(SceneAnalysis(lines=[GATE]), {1: first, 2: second}, times(4, 25)).directions == ["in", "in"]


def test_what_is_detected_once_never_counts() -> None:
    analysis = SceneAnalysis([DOOR], [GATE])
    for index in range(50):
        found = scene({1: (300.0, 150.0 + 4 * index)})
        aged = Instances(
            boxes_xyxy=found.boxes_xyxy,
            scores=found.scores,
            class_ids=found.class_ids,
            track_ids=found.track_ids,
            mask_age_s=np.array([index / 25], np.float32),  # all of one detection
        )
        facts = analysis.update(aged, index / 25, SIZE)
        assert facts.zones == ((),)
        assert not facts.crossings
        assert not facts.entries
    assert analysis.finish().crossed == ((0, 0),)


def test_a_flash_of_a_tenth_of_a_second_never_counts() -> None:
    paths = {1: along((1, 300, 230), (1.08, 300, 300))}
    told = walk(SceneAnalysis([Zone(name="door", polygon=DOOR.polygon, enter_after_s=0)], [GATE]), paths, times(3, 25))
    assert not told.crossings
    assert not told.entries


def test_what_has_no_track_never_counts() -> None:
    found = scene({NO_TRACK: (300.0, 300.0)})
    analysis = SceneAnalysis([DOOR])
    for index in range(50):
        assert analysis.update(found, index / 25, SIZE).zones == ((),)


def test_classes_choose() -> None:
    cars = Zone(name="cars", polygon=DOOR.polygon, classes=frozenset({"car"}))
    gate = Line(name="gate", points=GATE.points, classes=frozenset({"car"}))
    analysis = SceneAnalysis([DOOR, cars], [gate], {1: "person", 2: "car"}.__getitem__)
    path = along((0, 300, 150), (4, 300, 390))
    for time_s in times(4, 25):
        facts = analysis.update(scene({1: path(time_s)}), time_s, SIZE)
    assert facts.zones == (("door",),)
    assert facts.crossed == ((0, 0),)


def test_a_gap_ends_stays_when_they_were_seen_last() -> None:
    paths = {1: along((0, 300, 300), (3, 300, 300)), 2: along((60, 300, 300), (63, 300, 300))}
    told = walk(SceneAnalysis([DOOR]), paths, [*times(3, 25), *(60 + t for t in times(3, 25))])
    assert [(exit_.time_s, exit_.dwell_s) for exit_ in told.exits] == [(3.0, 3.0), (63.0, 3.0)]


@pytest.mark.parametrize("away_s", [1.5, 2.5, 6.0, 9.0])
@pytest.mark.parametrize("track", [1, 2], ids=["same id", "new id"])
def test_what_is_there_before_and_after_a_reconnect_is_one(away_s: float, track: int) -> None:
    again_s = 3.0 + away_s
    paths = {
        1: along((0, 300, 300), (3, 300, 300)),
        track: along((0 if track == 1 else again_s + 0.2, 303, 302), (20, 300, 300)),
    }
    told = walk(SceneAnalysis([DOOR]), paths, [*times(3, 25), *(again_s + t for t in times(3, 25))])
    assert len(told.entries) == len(told.exits) == 1
    assert told.exits[0].dwell_s == pytest.approx(away_s + 6.0, abs=0.05)


def test_what_is_gone_after_a_reconnect_left_when_it_was_seen_last() -> None:
    told = walk(
        SceneAnalysis([DOOR]), {1: along((0, 300, 300), (3, 300, 300))}, [*times(3, 25), *(8 + t for t in times(5, 25))]
    )
    assert [(exit_.time_s, exit_.dwell_s) for exit_ in told.exits] == [(3.0, 3.0)]


def test_another_object_elsewhere_after_a_reconnect_is_another() -> None:
    paths = {1: along((0, 202, 202), (3, 202, 202)), 2: along((9, 398, 398), (12, 398, 398))}
    told = walk(SceneAnalysis([DOOR]), paths, [*times(3, 25), *(9 + t for t in times(3, 25))])
    assert [entry.track_id for entry in told.entries] == [1, 2]


@RATES
def test_what_vanishes_in_a_zone_and_comes_back_there_enters_again(fps: float, dropped: list[int]) -> None:
    path = lambda t: (300, 300) if t < 3 or 8 <= t < 12 or t >= 20 else None  # noqa: E731  # as short as it is read
    told = walk(SceneAnalysis([DOOR]), {1: path}, times(24, fps, dropped))
    assert [entry.time_s for entry in told.entries] == [pytest.approx(at, abs=3 / fps) for at in (0, 8, 20)]
    assert [stay.dwell_s for stay in told.exits] == [pytest.approx(long, abs=6 / fps) for long in (3, 4, 4)]
    assert told.frames[-2].inside == (1,)


def test_time_that_goes_back_begins_a_new_scene() -> None:
    analysis = SceneAnalysis([DOOR])
    told = walk(analysis, {1: along((0, 300, 300), (3, 300, 300))}, [*times(3, 25), *times(3, 25)])
    assert [exit_.dwell_s for exit_ in told.exits] == [3.0, 3.0]


def test_rows_may_come_in_any_order() -> None:
    paths = {track: along((0, 60 * track, 120), (4, 60 * track, 120 + 60 * track)) for track in range(1, 9)}
    told = walk(SceneAnalysis([DOOR], [GATE]), paths, times(5, 25))
    turned = walk(SceneAnalysis([DOOR], [GATE]), dict(reversed(paths.items())), times(5, 25))
    key = repr
    assert sorted(told.crossings, key=key) == sorted(turned.crossings, key=key)
    assert sorted(told.exits, key=key) == sorted(turned.exits, key=key)


def test_a_picture_that_changes_its_size_counts_nothing_for_it() -> None:
    analysis = SceneAnalysis(lines=[GATE])
    for index in range(50):
        facts = analysis.update(scene({1: (300.0, 200.0)}), index / 25, SIZE if index < 25 else (320, 240))
    assert facts.crossed == ((0, 0),)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_a_detector_says_makes_no_odd_facts(data: st.DataObject) -> None:
    width, height = data.draw(strategies.sizes())
    shares = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
    zones = [Zone(name=count, polygon=shares, count=count, enter_after_s=0) for count in ("foot", "centre", "coverage")]
    analysis = SceneAnalysis(zones, [Line(name="line", points=((0.0, 0.5), (1.0, 0.5)))])
    time_s = 0.0
    for _ in range(6):
        found = data.draw(strategies.shown(width, height))
        time_s += data.draw(st.sampled_from([0.0, 0.04, 0.2, 5.0, -1.0]))
        facts = analysis.update(found, time_s, (width, height))
        assert len(facts.zones) == len(found.usable(width, height))
        assert min(facts.inside) >= 0
        assert all(exit_.dwell_s >= 0 for exit_ in facts.exits)
    assert analysis.finish().inside == (0, 0, 0)


HERE = (300.0, 300.0)
"""In the zone ``door``."""


def changed(before: Places, after: Places, at_s: float = 2.0, end_s: float = 4.0) -> tuple[Told, SceneFacts]:
    """What is told of an object that stands at ``HERE`` while zones and lines are changed."""
    analysis = SceneAnalysis(*before)
    told = walk(analysis, {1: along((0, *HERE), (end_s, *HERE))}, [t for t in times(end_s, 25) if t < at_s], ends=False)
    left = analysis.change(after)
    told.add(left)
    walk(analysis, {1: along((0, *HERE), (end_s, *HERE))}, [t for t in times(end_s, 25) if t >= at_s], told)
    return told, left


def test_who_is_in_a_zone_that_stays_is_counted_once_whatever_changes_around_it() -> None:
    other = Zone(name="other", polygon=((0.0, 0.0), (0.1, 0.0), (0.1, 0.1)))
    wider = replace(DOOR, polygon=((100.0, 100.0), (500.0, 100.0), (500.0, 450.0), (100.0, 450.0)))
    for after in (Places((other, DOOR), (GATE,)), Places((wider,)), Places((DOOR,), (GATE,))):
        told, left = changed(Places((DOOR,)), after)
        assert left.exits == ()
        assert [(entry.zone, entry.time_s) for entry in told.entries] == [("door", 0.0)]
        assert {exit_.zone: exit_.dwell_s for exit_ in told.exits} == {"door": pytest.approx(4.0)}
        assert len(told.exits) == 1


def test_who_is_in_a_zone_that_is_taken_away_has_left_it_and_is_in_the_one_that_is_new() -> None:
    told, left = changed(Places((DOOR,)), Places((replace(DOOR, name="gone elsewhere"),)))
    assert {exit_.zone: exit_.time_s for exit_ in left.exits} == {"door": pytest.approx(1.96)}
    assert {entry.zone: entry.time_s for entry in told.entries} == {"door": 0.0, "gone elsewhere": pytest.approx(2.0, abs=1e-3)}
    assert (len(told.entries), len(told.exits)) == (2, 2)
    assert told.frames[-1].inside == (0,)


def test_who_is_not_in_a_zone_any_more_that_was_moved_leaves_it() -> None:
    away = replace(DOOR, polygon=((0.0, 0.0), (0.2, 0.0), (0.2, 0.2)))
    told, _ = changed(Places((DOOR,)), Places((away,)))
    assert {exit_.zone: exit_.time_s for exit_ in told.exits} == {"door": pytest.approx(2.0, abs=0.05)}


def test_a_line_that_stays_goes_on_counting_and_a_new_one_counts_from_then_on() -> None:
    analysis = SceneAnalysis(lines=[GATE])
    second = Line(name="second", points=((0.1, 0.8), (0.9, 0.8)))
    path = {1: along((0, 300, 120), (4, 300, 440))}
    told = walk(analysis, path, [t for t in times(4, 25) if t < 1.4], ends=False)  # on the line, nothing is certain yet
    told.add(analysis.change(Places((), (second, GATE))))
    walk(analysis, path, [t for t in times(4, 25) if t >= 1.4], told)
    assert [(crossing.line, crossing.direction) for crossing in told.crossings] == [("gate", "in"), ("second", "in")]
    assert told.frames[-1].crossed == ((1, 0), (1, 0))


def test_a_change_that_cannot_be_changes_nothing() -> None:
    analysis = SceneAnalysis([DOOR])
    walk(analysis, {1: along((0, *HERE), (1, *HERE))}, times(1, 25), ends=False)
    for wrong in (Places((DOOR, DOOR)), Places((replace(DOOR, polygon=((0.0, 0.0), (5000.0, 0.0), (0.0, 50.0))),))):
        with pytest.raises(InvalidPlace):
            analysis.change(wrong)
    assert analysis.zones == (DOOR,)
    assert analysis.update(scene({1: HERE}), 1.04, SIZE).inside == (1,)


@given(
    st.lists(st.sets(st.integers(0, 4), max_size=5), min_size=2, max_size=6),
    st.lists(st.tuples(st.floats(0, 640), st.floats(0, 480)), min_size=6, max_size=6),
    st.integers(1, 30),
)
@settings(deadline=None)
def test_whatever_is_changed_who_is_told_to_be_in_came_in_and_went_out(
    chosen: list[set[int]], feet: list[tuple[float, float]], every: int
) -> None:
    zones = [Zone(name=f"zone {n}", polygon=((0.1 * n, 0.0), (0.1 * n + 0.5, 0.0), (0.1 * n + 0.5, 1.0))) for n in range(4)]
    analysis, told = SceneAnalysis(), Told()
    path = {1: along(*[(2.0 * index, x, y) for index, (x, y) in enumerate(feet)])}
    for number, time_s in enumerate(times(10, 12.5)):
        if number % every == 0:
            wanted = chosen[number // every % len(chosen)]
            lines = (GATE,) if 4 in wanted else ()
            told.add(analysis.change(Places(tuple(zones[n] for n in sorted(wanted - {4})), lines)))
        walk(analysis, path, [time_s], told, ends=False)
        names = [zone.name for zone in analysis.zones]
        for name, inside in zip(names, told.frames[-1].inside, strict=True):
            entered = sum(entry.zone == name for entry in told.entries)
            left = sum(exit_.zone == name for exit_ in told.exits)
            assert inside == entered - left
            assert inside in (0, 1)
    told.add(analysis.finish())
    assert len(told.entries) == len(told.exits)
