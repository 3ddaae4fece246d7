"""How much of an object's motion the flow shows: learnt from where detections find it later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamer.follow.motion import Doubles, MotionState

_FIRST_GAIN = 1.03
"""Optical flow falls a little short: the still background takes part in every patch at an outline."""
_PRIOR = 3.0
"""How much the first guess counts, in squared box sizes that have been gone."""
_MEMORY = 40.0
"""Most that counts: what was learnt long ago is of another scene."""
_LEAST, _MOST = 0.95, 1.15
_BASELINE = 0.5
"""Least distance, in box sizes, between two detections that are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """Where a track was detected, and how far it had been carried by then."""

    centre: Doubles
    travel: Doubles
    panned: Doubles
    gain: float


@dataclass(slots=True)
class FlowGain:
    """The factor between an object's motion in the flow and its real motion, the same for all objects of a camera.

    Two detections far enough apart tell how far an object moved, the flow how far it seemed to: least squares through zero,
    with a prior. *Measured* on people of 90 pixels at half size: 1.06; carried over 10 frames, that is a tenth of their width.
    """

    _agreed: float = _FIRST_GAIN * _PRIOR
    _gone: float = _PRIOR

    @property
    def gain(self) -> float:
        """What to multiply an object's own motion by."""
        return float(np.clip(self._agreed / self._gone, _LEAST, _MOST))

    def sighting(self, centre: Doubles, state: MotionState) -> Sighting:
        """What to remember of a detection with this centre, where the track stood as ``state``."""
        return Sighting(centre, state.travel, state.panned, self.gain)

    def learn(self, before: Sighting, now: Sighting, size: Doubles) -> bool:
        """Compare two sightings of one track of that size. False while they are too near to each other to tell."""
        scale = float(np.sqrt(size.prod()))
        seen = (now.centre - before.centre - (now.panned - before.panned)) / scale
        flowed = (now.travel - before.travel) / scale / (0.5 * (before.gain + now.gain))
        gone = float(flowed @ flowed)
        if gone < _BASELINE**2:
            return False
        agreed = float(seen @ flowed)
        # Beyond that it was not the same object, or not one that the flow could see.
        if 0.7 < agreed / gone < 1.5:
            self._agreed += agreed
            self._gone += gone
            fade = min(1.0, _MEMORY / self._gone)
            self._agreed, self._gone = fade * self._agreed, fade * self._gone
        return True
