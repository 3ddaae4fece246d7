"""What a track remembers of appearance, and how sure its score is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamer.follow.matching import YOUNG_HITS, match
from streamer.follow.settings import FollowSettings
from streamer.follow.tracks import Detection, Track, start

SETTINGS = FollowSettings()
BOX = np.array([100.0, 60.0, 140.0, 124.0])


def seen(share: float, score: float = 0.9, box: np.ndarray = BOX) -> Detection:
    """A detection whose histograms lie in one bin by ``share``, in another by the rest."""
    histograms = np.zeros((3, 3, 16), np.float32)
    histograms[..., 2], histograms[..., 9] = share, 1.0 - share
    return Detection(box_xyxy=box, score=score, class_id=1, mask=None, appearance=histograms)


def with_mask(*, carried: bool = False) -> Detection:
    """The same with a mask, which the detector may have seen in an earlier frame."""
    return replace(seen(1.0), mask=np.ones((28, 28), np.float32), mask_carried=carried)


def track(share: float, hits: int = 20) -> Track:
    made = start(seen(share), 0, 0.0, BOX)
    made.hits = hits
    return made


def test_appearance_is_learnt_from_objects_that_stand_alone() -> None:
    alone, doubtful, crowd = track(1.0), track(1.0), track(1.0)
    for _ in range(5):
        alone.remember(seen(0.0), 0.0, SETTINGS)
        doubtful.remember(seen(0.0, score=0.25), 0.0, SETTINGS)
        crowd.remember(seen(0.0), 0.6, SETTINGS)
    assert crowd.appearance[0, 0, 2] == 1.0
    assert alone.appearance[0, 0, 2] < doubtful.appearance[0, 0, 2] < 1.0


def test_a_second_track_of_an_object_does_not_take_the_place_of_the_first() -> None:
    old, young = track(0.9, hits=30), track(1.0, hits=YOUNG_HITS - 1)
    states = [replace(old.state, box_xyxy=BOX + 6.0), young.state]
    pairs = match([old, young], states, [seen(1.0)], np.zeros(2, np.bool_), np.zeros(2), 0.2)
    assert pairs == [(0, 0)]
    young.hits = YOUNG_HITS
    assert match([old, young], states, [seen(1.0)], np.zeros(2, np.bool_), np.zeros(2), 0.2) == [(1, 0)]


def test_appearance_tells_two_objects_that_change_places() -> None:
    dark, light = track(1.0), track(0.0)
    there = BOX + np.array([12.0, 0.0, 12.0, 0.0])
    pairs = match(
        [dark, light],
        [dark.state, replace(light.state, box_xyxy=there)],
        [seen(1.0, box=there), seen(0.0)],
        np.zeros(2, np.bool_),
        np.zeros(2),
        0.2,
    )
    assert sorted(pairs) == [(0, 0), (1, 1)]


def test_a_new_object_has_to_stay_confident() -> None:
    new, steady = track(1.0, hits=1), track(1.0, hits=20)
    for someone in (new, steady):
        someone.score = SETTINGS.start_score
        state = someone.state
        for frame in range(3):
            someone.update(seen(1.0, score=0.25), state, frame, 0.1 * frame, SETTINGS, BOX, None)
    assert not new.shown(0.2, SETTINGS)
    assert steady.shown(0.2, SETTINGS)


def test_a_missed_object_stays_until_the_next_miss_only_if_it_is_sure_and_stands_alone() -> None:
    sure, new, faint, crowd = track(1.0), track(1.0, hits=2), track(1.0), track(1.0)
    faint.score = SETTINGS.start_score + 0.05
    crowd.remember(seen(1.0), 0.5, SETTINGS)
    for someone in (sure, new, faint, crowd):
        someone.miss(1.0, SETTINGS)
        assert someone.shown(1.0, SETTINGS)
    assert [someone.shown(1.5, SETTINGS) for someone in (sure, new, faint, crowd)] == [True, False, False, False]
    sure.miss(1.5, SETTINGS)
    assert not sure.shown(1.5, SETTINGS)


def test_a_jump_forgets_the_velocity() -> None:
    someone = track(1.0)
    state = replace(someone.state, velocity=np.array([3.0, 0.0]), velocity_known=1.0)
    near, far = (someone.update(seen(1.0), state, 1, 0.1, SETTINGS, BOX + by, None) for by in (4.0, 60.0))
    assert (near.velocity_known, near.velocity.tolist()) == (1.0, [3.0, 0.0])
    assert (far.velocity_known, far.velocity.tolist()) == (0.0, [0.0, 0.0])
    assert far.box_xyxy == pytest.approx(BOX + 60.0)


def test_a_score_says_how_sure_the_box_is() -> None:
    someone = track(1.0)
    fresh = someone.shown_score(SETTINGS, 0.0)
    assert fresh == pytest.approx(0.9)
    crowded = someone.shown_score(SETTINGS, 0.8)
    someone.state = replace(someone.state, position_var=0.05)
    astray = someone.shown_score(SETTINGS, 0.0)
    assert SETTINGS.start_score < crowded < fresh
    assert SETTINGS.start_score < astray < fresh
    assert someone.shown_score(SETTINGS, 1.0) > SETTINGS.start_score


def test_what_is_followed_but_not_wanted_stays_below_the_wanted_score() -> None:
    settings = FollowSettings.shown_from(0.2, 0.5)
    someone = track(1.0)
    for smoothed in np.linspace(0.12, 1.0, 23):
        someone.score = float(smoothed)
        told = [someone.shown_score(settings, crowded) for crowded in (0.0, 0.5, 1.0)]
        assert all((score >= 0.5) == (smoothed >= 0.5) for score in told)
        same, plain = (someone.shown_score(FollowSettings.shown_from(0.4, wanted), 0.5) for wanted in (0.4, None))
        assert same == plain


def test_a_track_knows_whether_its_mask_is_older_than_its_detection() -> None:
    made = start(with_mask(), 0, 0.0, BOX)
    assert not made.mask_carried
    for frame, (detection, carried) in enumerate([(seen(1.0), True), (with_mask(), False), (with_mask(carried=True), True)], 1):
        made.update(detection, made.state, frame, 0.1 * frame, SETTINGS, BOX, None)
        assert made.mask is not None
        assert made.mask_carried is carried
    assert start(with_mask(carried=True), 0, 0.0, BOX).mask_carried
