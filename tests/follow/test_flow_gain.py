"""What is learnt of the flow's shortfall."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.follow.flow_gain import FlowGain
from streamer.follow.motion import MotionState, weights_of


def carried(travel: float, panned: float = 0.0) -> MotionState:
    """A state of 40 x 40 pixels that the flow has carried so far to the right."""
    return MotionState(
        box_xyxy=np.array([0.0, 0.0, 40.0, 40.0]),
        weights=weights_of(None),
        velocity=np.zeros(2),
        travel=np.array([travel, 0.0]),
        panned=np.array([panned, 0.0]),
    )


def walk(learned: FlowGain, real: float, steps: int = 200, pan: float = 0.0) -> None:
    """An object is detected after each 24 pixels by the flow, which are ``real`` times as many."""
    travel, centre, before = 0.0, 20.0, None
    for i in range(steps):
        sighting = learned.sighting(np.array([centre, 20.0]), carried(travel, i * pan))
        if before is not None:
            assert learned.learn(before, sighting, np.array([40.0, 40.0]))
        before = sighting
        travel += 24.0 * learned.gain
        centre += 24.0 * real + pan


@pytest.mark.parametrize("real", [1.0, 1.08])
@pytest.mark.parametrize("pan", [0.0, -7.0])
def test_the_shortfall_is_learnt_whatever_the_camera_does(real: float, pan: float) -> None:
    learned = FlowGain()
    walk(learned, real, pan=pan)
    assert learned.gain == pytest.approx(real, abs=0.01)


def test_it_stays_within_reason() -> None:
    learned = FlowGain()
    walk(learned, 1.4)
    assert learned.gain == pytest.approx(1.15)


def test_who_was_mistaken_for_another_teaches_nothing() -> None:
    learned = FlowGain()
    before = learned.gain
    walk(learned, 3.0, steps=20)
    assert learned.gain == before


def test_sightings_near_to_each_other_are_not_compared() -> None:
    learned = FlowGain()
    here = learned.sighting(np.array([20.0, 20.0]), carried(0.0))
    near = learned.sighting(np.array([26.0, 20.0]), carried(5.0))
    assert not learned.learn(here, near, np.array([40.0, 40.0]))
