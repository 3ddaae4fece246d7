"""The search for an object where the flow explains nothing."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.follow import template_search
from streamer.follow.flow import LowResFrame
from streamer.follow.motion import centre_prior
from streamer.frame import Frame
from tests.follow.frames import scene

BOX = np.array([100.0, 60.0, 140.0, 124.0])


def search(earlier: Frame, later: Frame, expected: tuple[float, float], box: object = BOX) -> template_search.Match | None:
    return template_search.find(
        LowResFrame.of(earlier), LowResFrame.of(later), np.asarray(box, float), centre_prior(), np.array(expected)
    )


@pytest.mark.parametrize("move", [(17.0, 0.0), (-14.0, 6.0), (9.0, -5.0)])
def test_a_leap_is_found(move: tuple[float, float]) -> None:
    match = search(scene(0, (5, 100.0, 60.0)), scene(1, (5, 100.0 + move[0], 60.0 + move[1])), (0.0, 0.0))
    assert match is not None
    assert match.move == pytest.approx(move, abs=1.0)
    assert match.score > 0.8 > match.expected_score


def test_what_stands_still_is_not_searched() -> None:
    assert search(scene(0, (5, 100.0, 60.0)), scene(1, (5, 100.0, 60.0)), (0.0, 0.0)) is None


def test_what_the_flow_explains_is_not_searched() -> None:
    assert search(scene(0, (5, 100.0, 60.0)), scene(1, (5, 108.0, 60.0)), (8.0, 0.0)) is None


def test_too_small_to_be_compared() -> None:
    assert search(scene(0, (5, 100.0, 60.0)), scene(1, (5, 108.0, 60.0)), (0.0, 0.0), (100.0, 60.0, 103.0, 64.0)) is None


def test_an_object_at_the_edge_and_beyond() -> None:
    earlier, later = scene(0, (5, 285.0, 60.0)), scene(1, (5, 297.0, 60.0))
    match = search(earlier, later, (0.0, 0.0), (285.0, 60.0, 325.0, 124.0))
    assert match is not None
    assert match.move == pytest.approx((12.0, 0.0), abs=2.0)
    assert search(earlier, later, (500.0, 0.0), (285.0, 60.0, 325.0, 124.0)) is None
