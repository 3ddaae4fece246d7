"""Asking the detector about fewer frames than there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.motion_gate import MotionGate
from streamer.stages import Annotated, DetectorService

_OPEN_S = 2.0
"""Seconds that the gate stays open after the last motion: what stops is looked at once more."""
_LONGEST_S = 3.0
"""Seconds after which there is a look at a still scene, too."""


class DetectionGate:
    """Says which frames the detector is asked about: at most ``fps`` a second, as evenly as the frames allow, and with
    ``motion`` only while something moves and every ``longest_s`` seconds. Pure: time is the frames' own.
    """

    def __init__(self, fps: float | None, motion: MotionGate | None = None, *, longest_s: float = _LONGEST_S) -> None:
        if fps is not None and not fps > 0:
            raise ValueError(f"fps: expected more than 0, got {fps:g}")
        self.held_back = 0
        """Frames that the detector was not asked about."""
        self._interval_s = 0.0 if fps is None else 1.0 / fps
        self._motion = motion
        self._longest_s = longest_s
        self._due: float | None = None
        self._open_until = -math.inf
        self._looked_s = -math.inf

    @property
    def longest_pause_s(self) -> float:
        """Seconds between two looks, at most, as far as the frames come."""
        return max(self._interval_s, self._longest_s if self._motion is not None else 0.0)

    def wants(self, frame: Frame) -> bool:
        """Whether the next frame is one of them."""
        now = frame.time_s
        wanted = self._is_due(now) and not self._still(frame, now)
        if wanted:
            self._looked_s = now
        else:
            self.held_back += 1
        return wanted

    def _still(self, frame: Frame, now: float) -> bool:
        if self._motion is None:
            return False
        if self._motion.moves(frame):
            self._open_until = now + _OPEN_S
        return now > self._open_until and 0 <= now - self._looked_s < self._longest_s

    def _is_due(self, now: float) -> bool:
        interval_s, due = self._interval_s, self._due
        # A jump back of the time stamps starts anew; a tenth of the interval evens out the jitter of the source.
        if due is not None and due - 2 * interval_s < now < due - 0.1 * interval_s:
            return False
        # From when it was due, not from when it came: of 25 frames a second, 10 are 10, not 8.
        self._due = now + interval_s if due is None or abs(now - due) > interval_s else due + interval_s
        return True


def gate_for(fps: float | None, *, motion: bool, max_mask_age_s: float | None) -> DetectionGate:
    """A gate behind which masks that are hidden after ``max_mask_age_s`` do not vanish from a still scene between two looks."""
    if max_mask_age_s is None:
        return DetectionGate(fps, MotionGate() if motion else None)
    # Masks begin to fade after three quarters of their time; an answer takes some of it, too.
    return DetectionGate(fps, MotionGate() if motion else None, longest_s=min(_LONGEST_S, 0.5 * max_mask_age_s))


class GatedDetector:
    """Implements ``stages.DetectorService``: hands on the frames that the gate wants."""

    def __init__(self, service: DetectorService, gate: DetectionGate) -> None:
        self._service = service
        self._gate = gate
        self._left: Frame | None = None
        """The last frame that was left: where others have their turn first, it is begun when newer ones have come."""

    @property
    def begun(self) -> Sequence[Frame]:
        """See ``stages.DetectorService``."""
        begun = self._service.begun
        return begun if self._left is None or self._left in begun else (*begun, self._left)

    def submit(self, frame: Frame) -> None:
        """Leave the newest frame, if it is wanted."""
        if self._gate.wants(frame):
            self._left = frame
            self._service.submit(frame)

    def poll(self) -> tuple[Frame, Instances] | None:
        """The newest answer and the frame that it is of, once; else None."""
        return self._service.poll()

    def close(self) -> None:
        """Leave."""
        self._service.close()


class _Skipping(Protocol):
    """A perception that answers each frame at once and can do so without looking."""

    def push(self, frame: Frame) -> Iterable[Annotated]: ...

    def skip(self, frame: Frame) -> Annotated: ...

    def finish(self) -> Iterable[Annotated]: ...

    def close(self) -> None: ...


class GatedPerception:
    """Implements ``stages.Perception``: the frames that the gate does not want have what was known before."""

    def __init__(self, perception: _Skipping, gate: DetectionGate) -> None:
        self._perception = perception
        self._gate = gate
        self.skip = perception.skip
        self.finish = perception.finish
        self.close = perception.close

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """What the perception says of the frame, with or without looking at it."""
        return self._perception.push(frame) if self._gate.wants(frame) else [self._perception.skip(frame)]
