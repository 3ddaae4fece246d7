"""How boxes lie to each other."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.follow.boxes import crowding, overlaps, touching, unclipped

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
