"""The deterministic core: late detections, births, misses, occlusion, exits, cuts, memory."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.follow.flow import Flow, FlowEstimator, LowResFrame
from streamer.follow.follower import Follower
from streamer.follow.settings import FollowSettings
from streamer.instances import Instances
from tests import strategies
from tests.follow.frames import GROUND, OTHER_GROUND, WIDTH, found, frame, scene


def joined(a: Instances, b: Instances) -> Instances:
    """Both, with masks where there are any."""
    masks = [np.zeros((len(x), 28, 28), np.float32) if x.masks is None else x.masks for x in (a, b)]
    return Instances(
        boxes_xyxy=np.concatenate([a.boxes_xyxy, b.boxes_xyxy]),
        scores=np.concatenate([a.scores, b.scores]),
        class_ids=np.concatenate([a.class_ids, b.class_ids]),
        masks=np.concatenate(masks),
        has_mask=np.concatenate([a.has_mask, b.has_mask]),
    )


def walk(
    follower: Follower, frames: int, latency: int, speed: float = 5.0, missed: frozenset[int] = frozenset()
) -> list[Instances]:
    """One object walks to the right from x = 20; the detector takes ``latency`` frames, and is blind in those ``missed``."""
    shown, busy = [], None
    for i in range(frames):
        follower.advance(scene(i, (9, 20.0 + speed * i, 60.0)))
        if busy is not None and i - busy >= latency:
            answer = Instances.empty() if busy in missed else found((20.0 + speed * busy, 60.0, 0.9))
            assert follower.detected(busy, answer)
            busy = None
        if busy is None:
            busy = i
        follower.expect(busy)
        shown.append(follower.instances())
    return shown


@pytest.mark.parametrize("latency", [1, 3, 5])
def test_a_late_detection_is_shown_where_the_object_is_now(latency: int) -> None:
    shown = walk(Follower(), 20, latency)
    assert all(len(instances) == 0 for instances in shown[:latency])
    for i, instances in enumerate(shown[latency:], start=latency):
        assert instances.track_ids.tolist() == [1]
        assert instances.boxes_xyxy[0] == pytest.approx((20 + 5 * i, 60, 60 + 5 * i, 124), abs=4.0)
        assert instances.followed.tolist() == instances.mask_carried.tolist() == [True]
        assert 0.1 * latency - 0.01 <= instances.mask_age_s[0] <= 0.1 * (2 * latency)


@pytest.fixture
def flows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of each flow that is measured how many were before it."""
    measured: list[int] = []
    measure = FlowEstimator.between

    def between(self: FlowEstimator, earlier: LowResFrame, later: LowResFrame) -> Flow:
        measured.append(len(measured))
        return measure(self, earlier, later)

    monkeypatch.setattr(FlowEstimator, "between", between)
    return measured


@pytest.mark.parametrize("empty", [0, 3, 45])
def test_frames_without_objects_cost_no_flow_until_an_answer_of_theirs_comes(empty: int, flows: list[int]) -> None:
    follower = Follower(FollowSettings(lost_s=2.0))
    for i in range(empty + 5):
        follower.advance(scene(i, (5, 60.0 + 4.0 * i, 60.0)))
        follower.expect(empty)
    assert flows == []
    follower.detected(empty, found((60.0 + 4.0 * empty, 60.0, 0.9)))
    assert len(flows) == 4
    box = follower.instances().boxes_xyxy[0]
    assert box[0] == pytest.approx(60.0 + 4.0 * (empty + 4), abs=4.0)


def test_an_answer_without_objects_costs_no_flow(flows: list[int]) -> None:
    follower = Follower()
    for i in range(5):
        follower.advance(scene(i, (5, 60.0 + 4.0 * i, 60.0)))
        follower.expect(0)
    assert follower.detected(0, Instances.empty())
    assert flows == []


def test_without_latency_everything_is_inferred() -> None:
    follower = Follower()
    for i in range(3):
        follower.advance(scene(i, (9, 20.0 + 5 * i, 60.0)))
        follower.expect(i)
        follower.detected(i, found((20.0 + 5 * i, 60.0, 0.9)))
        instances = follower.instances()
        assert instances.followed.tolist() == instances.mask_carried.tolist() == [False]
        assert instances.mask_age_s.tolist() == [0.0]


def test_a_mask_from_before_says_so_where_a_detection_brings_none() -> None:
    follower = Follower()
    for i in range(4):
        follower.advance(scene(i, (9, 20.0 + 5 * i, 60.0)))
        follower.expect(i)
        follower.detected(i, found((20.0 + 5 * i, 60.0, 0.9), masks=i != 2))
        instances = follower.instances()
        assert (instances.followed.tolist(), instances.has_mask.tolist()) == ([False], [True])
        assert instances.mask_carried.tolist() == [i == 2]


def test_one_missed_detection_does_not_show() -> None:
    shown = walk(Follower(), 24, 2, missed=frozenset({12}))
    assert all(instances.track_ids.tolist() == [1] for instances in shown[2:])


def test_what_is_found_no_more_is_hidden_with_the_second_miss() -> None:
    shown = walk(Follower(), 44, 1, speed=1.0, missed=frozenset(range(20, 44)))
    assert [len(instances) for instances in shown[1:]] == [1] * 21 + [0] * 22


def test_short_gaps_of_a_quick_detector_do_not_show() -> None:
    follower = Follower()
    for i in range(40):
        at = replace(scene(i, (9, 20.0 + i, 60.0)), time_base=Fraction(1, 30))
        follower.advance(at)
        follower.expect(i)
        follower.detected(i, Instances.empty() if i % 8 in (6, 7) else found((20.0 + i, 60.0, 0.45)))
        assert follower.instances().track_ids.tolist() == [1], i


def test_an_object_whose_score_wavers_does_not_blink() -> None:
    follower = Follower(FollowSettings(start_score=0.5, keep_score=0.2))
    shown = []
    for i in range(60):
        follower.advance(scene(i, (9, 20.0, 60.0)))
        follower.expect(i)
        follower.detected(i, found((20.0, 60.0, 0.9 if i < 12 else 0.22 if i % 6 < 3 else 0.4)))
        shown.append(len(follower.instances()))
    assert shown == sorted(shown, reverse=True)
    assert shown[-1] == 0


def test_what_comes_out_far_behind_a_pole_is_the_same_object() -> None:
    follower = Follower()
    for i in range(32):
        left = 10.0 + 6 * i
        hidden = 8 <= i < 24
        follower.advance(scene(i, *([] if hidden else [(9, left, 60.0)])))
        follower.expect(i)
        follower.detected(i, Instances.empty() if hidden else found((left, 60.0, 0.9)))
    assert follower.instances().track_ids.tolist() == [1]
    assert follower.instances().boxes_xyxy[0, 0] == pytest.approx(10 + 6 * 31, abs=4.0)


def test_another_object_elsewhere_does_not_take_the_id_of_one_that_is_gone() -> None:
    follower = Follower()
    for i in range(20):
        left, grey = (40, 30) if i < 8 else (100, 220)
        picture = GROUND.copy()
        picture[60:124, left : left + 40] = grey
        follower.advance(frame(i, picture))
        follower.expect(i)
        follower.detected(i, found((left, 60.0, 0.9)))
        follower.instances()
    assert [summary.track_id for summary in follower.tracks_summary()] == [1, 2]


@pytest.mark.parametrize(("frames_apart", "ids"), [(2, [1]), (1, [5])], ids=["5 fps", "10 fps"])
def test_what_goes_further_than_it_is_large_is_the_same_object_where_frames_are_rare(frames_apart: int, ids: list[int]) -> None:
    follower = Follower()
    for step in range(5):
        index, left = frames_apart * step, 10.0 + 50.0 * step
        follower.advance(scene(index, (9, left, 60.0)))
        follower.expect(index)
        follower.detected(index, found((left, 60.0, 0.9)))
        shown = follower.instances()
    newest = shown[shown.track_ids == ids[0]]
    assert newest.boxes_xyxy[0] == pytest.approx((210.0, 60.0, 250.0, 124.0), abs=4.0)
    assert max(shown.track_ids) == ids[0]


def test_a_leap_that_might_be_either_of_two_is_none() -> None:
    follower = Follower()
    for index, lefts in ((0, [120.0]), (2, [70.0, 170.0])):
        follower.advance(scene(index, *((9, left, 60.0) for left in lefts)))
        follower.expect(index)
        follower.detected(index, found(*((left, 60.0, 0.9) for left in lefts)))
        shown = follower.instances()
    # The first one was missed just now, so that it is still shown where it was.
    assert sorted(shown.track_ids.tolist()) == [1, 2, 3]


def test_a_second_answer_beside_the_detection_of_a_slow_track_is_no_second_thing() -> None:
    follower = Follower()
    for i in range(12):
        follower.advance(scene(i, (9, 20.0, 60.0)))
        follower.expect(i)
        follower.detected(i, found((20.0, 60.0, 0.9)) if i < 11 else found((36.0, 60.0, 0.9), (46.0, 60.0, 0.85)))
        assert follower.instances().track_ids.tolist() == [1]


def test_a_sliver_at_the_edge_starts_no_track() -> None:
    follower = Follower()
    for i in range(8):
        follower.advance(scene(i, (11, 200.0, 60.0), (9, -36.0 + 3 * i, 60.0)))
        follower.expect(i)
        both = found((200.0, 60.0, 0.95), (-36.0 + 3 * i, 60.0, 0.9))
        both.boxes_xyxy[1, 0] = 0.0
        follower.detected(i, both)
        assert len(follower.instances()) == (1 if 4 + 3 * i <= 10 else 2), i


def test_what_enters_at_the_edge_grows_before_it_is_detected_again() -> None:
    follower = Follower()
    for i in range(6):
        left = -20.0 + 5 * i
        follower.advance(scene(i, (11, 200.0, 60.0), (9, left, 60.0)))
        if i == 0:
            follower.expect(0)
            both = found((200.0, 60.0, 0.95), (left, 60.0, 0.9))
            both.boxes_xyxy[1, 0] = 0.0
            follower.detected(0, both)
    entered = follower.instances().boxes_xyxy
    assert entered[np.argmin(entered[:, 0])] == pytest.approx((5, 60, 45, 124), abs=4.0)


def test_what_was_seen_once_goes_after_one_miss() -> None:
    follower = Follower()
    for i in range(6):
        follower.advance(scene(i))
        follower.expect(i)
        follower.detected(i, found((100.0, 60.0, 0.9)) if i == 0 else Instances.empty())
    assert len(follower.instances()) == 0


def test_doubtful_detections_extend_a_track_and_start_none() -> None:
    follower = Follower(FollowSettings(start_score=0.5, keep_score=0.25))
    for i in range(6):
        follower.advance(scene(i, (9, 20.0, 60.0)))
        follower.expect(i)
        rows = [(20.0, 60.0, 0.9 if i == 0 else 0.45), (200.0, 60.0, 0.45)]
        follower.detected(i, found(*rows))
        assert follower.instances().track_ids.tolist() == [1]


def test_a_doubtful_part_of_an_object_is_never_shown() -> None:
    follower = Follower(FollowSettings(start_score=0.5, keep_score=0.25))
    for i in range(14):
        follower.advance(scene(i, (9, 20.0 + 5 * i, 60.0)))
        follower.expect(i)
        person, shoe = found((20.0 + 5 * i, 60.0, 0.9)), found((26.0 + 5 * i, 112.0, 0.45), size=(12, 10), class_id=7)
        follower.detected(i, joined(person, shoe))
        assert follower.instances().class_ids.tolist() == [1]


def test_a_second_name_for_the_same_thing_is_no_second_thing() -> None:
    follower = Follower(FollowSettings(start_score=0.4, keep_score=0.2))
    for i in range(8):
        follower.advance(scene(i, (9, 20.0, 60.0)))
        follower.expect(i)
        follower.detected(i, joined(found((20.0, 60.0, 0.6)), found((21.0, 60.0, 0.45), class_id=2)))
        assert follower.instances().track_ids.tolist() == [1]


def test_an_outline_stays_with_its_own_kind() -> None:
    follower = Follower()
    for i in range(8):
        follower.advance(scene(i, (9, 20.0, 60.0)))
        follower.expect(i)
        driver, car = found((20.0, 60.0, 0.9)), found((21.0, 60.0, 0.9), class_id=2, masks=False)
        follower.detected(i, driver if i < 3 else car)
        for instance in range(len(follower.instances())):
            if follower.instances().class_ids[instance] == 2:
                assert not follower.instances().has_mask[instance]
    assert 2 in follower.instances().class_ids.tolist()


def test_no_score_is_shown_below_the_users_threshold() -> None:
    follower = Follower(FollowSettings(start_score=0.5, keep_score=0.25))
    scores = []
    for i in range(10):
        follower.advance(scene(i, (9, 20.0, 60.0)))
        follower.expect(i)
        follower.detected(i, found((20.0, 60.0, 0.9 if i == 0 else 0.4)))
        scores += follower.instances().scores.tolist()
    assert len(scores) == 10
    assert scores == sorted(scores, reverse=True), "order is kept"
    assert 0.5 <= scores[-1] < scores[0]


def test_two_that_cross_keep_their_ids() -> None:
    follower = Follower()
    ids: dict[int, list[tuple[int, float]]] = {}
    for i in range(34):
        left, right = 20.0 + 6 * i, 250.0 - 6 * i
        follower.advance(scene(i, (9, left, 50.0), (11, right, 70.0)))
        follower.expect(i)
        if i % 2 == 0:
            hidden = abs(left - right) < 24
            follower.detected(i, found((right, 70.0, 0.9)) if hidden else found((left, 50.0, 0.9), (right, 70.0, 0.88)))
        for track_id, box in zip(follower.instances().track_ids.tolist(), follower.instances().boxes_xyxy, strict=True):
            ids.setdefault(track_id, []).append((i, float(box[0])))
    going_right = [track for track, path in ids.items() if path[0][1] < path[-1][1]]
    going_left = [track for track, path in ids.items() if path[0][1] > path[-1][1]]
    assert len(ids) == 2
    assert len(going_right) == len(going_left) == 1


def test_an_object_that_leaves_the_picture_leaves_no_ghost() -> None:
    follower = Follower()
    for i in range(30):
        x = 230.0 + 6 * i
        follower.advance(scene(i, (9, x, 60.0)))
        follower.expect(i)
        if x + 10 < WIDTH:
            box = found((x, 60.0, 0.9))
            box.boxes_xyxy[0, 2] = min(box.boxes_xyxy[0, 2], WIDTH)
            follower.detected(i, box)
        instances = follower.instances()
        if len(instances):
            assert instances.boxes_xyxy[:, 2].max() <= WIDTH
        if x > WIDTH + 12:
            assert len(instances) == 0


def test_a_cut_lets_go_and_old_detections_mean_nothing() -> None:
    follower = Follower()
    for i in range(4):
        assert follower.advance(scene(i, (9, 20.0 + 5 * i, 60.0)))
    follower.expect(3)
    follower.detected(3, found((35.0, 60.0, 0.9)))
    assert len(follower.instances()) == 1
    assert not follower.advance(frame(4, OTHER_GROUND))
    assert len(follower.instances()) == 0
    assert not follower.detected(3, found((35.0, 60.0, 0.9)))
    follower.expect(4)
    follower.detected(4, found((35.0, 60.0, 0.9)))
    assert follower.instances().track_ids.tolist() == [2]


def test_history_stays_short_whatever_the_detector_does() -> None:
    follower = Follower(FollowSettings(max_history=8))
    follower.advance(scene(0, (9, 20.0, 60.0)))
    follower.expect(0)
    for i in range(1, 40):
        follower.advance(scene(i, (9, 20.0 + 3 * i, 60.0)))
        follower.expect(0, i)
        assert len(follower._history) <= 9
    assert follower.detected(0, found((20.0, 60.0, 0.9)))
    assert follower.instances().boxes_xyxy[0, 0] == pytest.approx(20 + 3 * 39, abs=12.0)


def test_summary_names_each_track_once() -> None:
    follower = Follower()
    walk(follower, 10, 2)
    (summary,) = follower.tracks_summary()
    assert (summary.track_id, summary.class_id, summary.first_frame, summary.last_frame) == (1, 1, 0, 9)


def test_tracks_that_have_ended_are_summed_up_and_let_go() -> None:
    follower = Follower(FollowSettings(lost_s=0.5))
    for i in range(30):
        follower.advance(scene(i))
        follower.expect(i)
        follower.detected(i, found((20.0 + 90 * (i // 10), 60.0, 0.9)))
        follower.instances()
    assert [(s.track_id, s.first_frame) for s in follower.tracks_summary()] == [(1, 0), (2, 10), (3, 20)]
    assert len(follower.identities._current) == 1


def test_boxes_without_masks_are_followed() -> None:
    follower = Follower()
    for i in range(6):
        follower.advance(scene(i, (9, 20.0 + 5 * i, 60.0)))
        if i == 0:
            follower.expect(0)
            follower.detected(0, found((20.0, 60.0, 0.9), masks=False))
    instances = follower.instances()
    assert instances.masks is None
    assert instances.boxes_xyxy[0, 0] == pytest.approx(45.0, abs=4.0)


def test_nonsense_is_left_out() -> None:
    follower = Follower()
    follower.advance(scene(0))
    bad = found((20.0, 60.0, 0.9), (50.0, 60.0, 0.9))
    bad.boxes_xyxy[0, 0] = np.nan
    bad.boxes_xyxy[1, 2] = bad.boxes_xyxy[1, 0]
    follower.expect(0)
    follower.detected(0, bad)
    assert len(follower.instances()) == 0


@pytest.mark.parametrize("wrong", [{"keep_score": 0.9}, {"patience_s": -1.0}, {"max_history": 1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        FollowSettings(**wrong)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize("top", [52.0, 75.0])
def test_a_stationary_object_is_not_taken_along_by_a_passer_by(top: float) -> None:
    follower = Follower()
    for i in range(28):
        # What passes in front, and hides it altogether for a moment, is never detected.
        follower.advance(scene(i, (9, 120.0, 60.0), (11, -40.0 + 9.0 * i, top)))
        follower.expect(i)
        if i < 6:
            follower.detected(i, found((120.0, 60.0, 0.9)))
    assert follower.instances().boxes_xyxy[0] == pytest.approx((120, 60, 160, 124), abs=4.0)


@pytest.mark.slow
@settings(deadline=None)
@given(st.data(), strategies.sizes())
def test_nothing_that_a_detector_says_breaks_it(data: st.DataObject, size: tuple[int, int]) -> None:
    follower = Follower()
    kinds = data.draw(st.lists(st.sampled_from(strategies.PICTURES), min_size=2, max_size=8))
    latency = data.draw(st.integers(0, 4))
    waiting: list[tuple[int, Instances]] = []
    time = 0
    for i, kind in enumerate(kinds):
        time += data.draw(st.sampled_from([1, 0, -3, 2, 10**6]))
        size = data.draw(st.just(size) | strategies.sizes()) if i == 4 else size
        follower.advance(strategies.frame(kind, i // 3, *size, index=i, pts=time))
        waiting.append((i, data.draw(strategies.instances(*size))))
        if len(waiting) > latency:
            follower.detected(*waiting.pop(0))
        follower.expect(*(index for index, _ in waiting), i)
        strategies.check(follower.instances(), *size)


def test_a_wide_and_low_object_is_followed() -> None:
    size = (240, 14)
    follower = Follower()
    for i in range(8):
        follower.advance(scene(i, (9, 4.0 + 4 * i, 100.0), size=size))
        follower.expect(i)
        if i == 0:
            follower.detected(0, found((4.0, 100.0, 0.9), size=size))
    assert follower.instances().boxes_xyxy[0] == pytest.approx((32, 100, 272, 114), abs=9.0)
