"""Occlusion order of tracks."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.follow.follower import Follower
from streamer.follow.motion import Doubles
from streamer.follow.occlusion import OcclusionOrder, Shape, uncovered_box
from streamer.follow.tracks import Detection, Track, start
from streamer.instances import Instances
from tests.follow.frames import found, scene

BACK = (120.0, 60.0)


def front_left(index: int) -> float:
    return 70.0 + 3.0 * index


def answer(index: int) -> Instances:
    """Both objects as a perfect detector finds them: of the one behind only what is to be seen, the box too."""
    whole = found((*BACK, 0.9), (front_left(index), 60.0, 0.9))
    boxes = whole.boxes_xyxy.copy()
    right = front_left(index) + 40.0
    # The front one covers the left side of the one behind.
    boxes[0, 0] = max(boxes[0, 0], right)
    return Instances(boxes_xyxy=boxes, scores=whole.scores, class_ids=whole.class_ids, masks=whole.masks)


def crossing(upto: int, last_answer: int) -> Follower:
    follower = Follower()
    for index in range(upto + 1):
        follower.advance(scene(index, (5, *BACK), (6, front_left(index), 60.0)))
        follower.expect(index)
        if index <= last_answer:
            follower.detected(index, answer(index))
    return follower


def test_the_one_behind_keeps_its_box_and_loses_what_is_covered() -> None:
    follower = crossing(12, last_answer=8)
    shown = follower.instances()
    order = np.argsort(-shown.boxes_xyxy[:, 0])
    assert shown.masks is not None
    behind, front = shown.masks[order[0]], shown.masks[order[1]]
    box = shown.boxes_xyxy[order[0]]
    assert box == pytest.approx([120, 60, 160, 124], abs=4)
    covered = (front_left(12) + 40.0 - 120.0) / 40.0
    columns = (behind > 0.5).mean(axis=0)
    edge = round(covered * len(columns))
    assert columns[: edge - 3].mean() < 0.1
    assert columns[edge + 3 :].mean() > 0.9
    assert (front > 0.5).mean() > 0.9


def test_what_comes_out_from_behind_is_whole_again() -> None:
    follower = crossing(30, last_answer=12)
    shown = follower.instances()
    assert shown.masks is not None
    behind = shown.masks[int(np.abs(shown.boxes_xyxy[:, 0] - BACK[0]).argmin())]
    assert (behind[:, 1:8] > 0.5).mean() > 0.9, "the left side, which was covered when it was last detected"


def a_track(left: float) -> Track:
    plain = np.zeros((6, 3, 3), np.float32)
    box = np.array([left, 0.0, left + 10.0, 20.0])
    return start(
        Detection(box_xyxy=box, score=0.9, class_id=1, mask=np.ones((8, 8), np.float32), appearance=plain), 0, 0.0, box
    )


def shape(box: Doubles, mask: float = 1.0) -> Shape:
    return Shape(box, np.full((8, 8), mask, np.float32))


def test_the_order_is_learnt_and_forgotten() -> None:
    order, a, b = OcclusionOrder(), a_track(0.0), a_track(4.0)
    whole = {a: shape(a.state.box_xyxy), b: shape(b.state.box_xyxy)}
    assert not order.occludes(a, b)
    order.learn(whole, {a: shape(a.state.box_xyxy), b: shape(b.state.box_xyxy, 0.0)})
    assert order.occludes(a, b)
    assert not order.occludes(b, a)
    assert [front.box_xyxy[0] for front in order.occluders(b, whole)] == [0.0]
    order.forget([a])
    assert not order.occludes(a, b)


def test_a_detector_that_gives_both_the_pixels_teaches_nothing() -> None:
    order, a, b = OcclusionOrder(), a_track(0.0), a_track(4.0)
    whole = {a: shape(a.state.box_xyxy), b: shape(b.state.box_xyxy)}
    for _ in range(5):
        order.learn(whole, whole)
    assert not order.occludes(a, b)
    assert not order.occludes(b, a)


def test_only_a_side_that_is_covered_is_moved_out() -> None:
    expected, whole = np.array([0.0, 0.0, 40.0, 80.0]), np.ones((28, 28), np.float32)
    front = shape(np.array([24.0, 0.0, 60.0, 80.0]))
    assert uncovered_box(np.array([0.0, 0.0, 24.0, 80.0]), expected, whole, [front]).tolist() == [0, 0, 40, 80]
    assert uncovered_box(np.array([16.0, 0.0, 40.0, 80.0]), expected, whole, [front]).tolist() == [16, 0, 40, 80]
    assert uncovered_box(np.array([0.0, 0.0, 24.0, 80.0]), expected, whole, []).tolist() == [0, 0, 24, 80]
