"""How boxes lie to each other."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.follow.boxes import crowding, overlaps, touching, unclipped, whole

BOXES = np.array([[0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 15.0, 10.0], [40.0, 40.0, 60.0, 60.0], [45.0, 45.0, 50.0, 50.0]])


def test_overlaps() -> None:
    iou, inside = overlaps(BOXES, BOXES)
    assert np.diag(iou) == pytest.approx(1.0)
    assert iou[0, 1] == pytest.approx(50 / 150)
    assert inside[2, 3] == inside[3, 2] == pytest.approx(1.0)
    assert iou[0, 2] == inside[0, 2] == 0.0


def test_crowding_is_the_share_that_one_other_covers() -> None:
    assert crowding(BOXES) == pytest.approx([0.5, 0.5, 25 / 400, 1.0])
    assert crowding(BOXES[:1]) == pytest.approx([0.0])
    assert crowding(BOXES[:0]).shape == (0,)


def test_touching_pairs_come_once() -> None:
    assert touching(BOXES) == [(0, 1), (2, 3)]
    assert touching(BOXES[:0]) == []


def test_a_side_at_the_edge_is_where_the_track_expects_it() -> None:
    picture = np.array([100.0, 80.0])
    seen, expected = np.array([0.5, 20.0, 30.0, 79.0]), np.array([-12.0, 22.0, 29.0, 95.0])
    assert unclipped(seen, expected, picture) == pytest.approx([-12.0, 20.0, 30.0, 95.0])
    inside = np.array([10.0, 20.0, 30.0, 60.0])
    assert unclipped(inside, expected, picture) == pytest.approx(inside)


def test_what_the_edge_cuts_is_as_large_as_its_kind() -> None:
    picture = np.array([100.0, 80.0])
    at_left, at_right = np.array([0.0, 20.0, 12.0, 60.0]), np.array([85.0, 20.0, 100.0, 60.0])
    assert whole(at_left, picture, 0.5) == pytest.approx([-8.0, 20.0, 12.0, 60.0])
    assert whole(at_right, picture, 0.5) == pytest.approx([85.0, 20.0, 105.0, 60.0])
    assert whole(np.array([20.0, 70.0, 30.0, 80.0]), picture, 0.5) == pytest.approx([20.0, 70.0, 30.0, 90.0])


def test_what_the_edge_does_not_explain_stays() -> None:
    picture = np.array([100.0, 80.0])
    inside, large = np.array([10.0, 20.0, 14.0, 60.0]), np.array([0.0, 20.0, 40.0, 60.0])
    corner, across = np.array([0.0, 0.0, 10.0, 40.0]), np.array([0.0, 20.0, 100.0, 60.0])
    for box in (inside, large, corner, across):
        assert whole(box, picture, 0.5) == pytest.approx(box)


def test_a_sliver_is_not_taken_for_a_whole_object() -> None:
    box = whole(np.array([0.0, 20.0, 4.0, 60.0]), np.array([100.0, 80.0]), 0.5)
    assert box == pytest.approx([4.0 - 4.0 / 0.25, 20.0, 4.0, 60.0])
