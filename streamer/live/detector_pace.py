"""How long the shared detector takes: how long it may be silent, and when its first result will be there."""

from __future__ import annotations

from streamer.detectors.usual_times import Step, UsualTimes

SILENT_S = 5.0
SILENT_FACTOR = 5.0
"""A detector is silent after this time, and this many times what its last answer took."""

PATIENT_S = 60.0
"""What a recording waits for an answer at least, and what the watchdog allows: a big model on a CPU takes tens of seconds."""

WORTH_TELLING_S = 1.0
"""A first result that comes sooner is not announced."""

SLOW_WARM_UP_S, SLOW_CALL_S = 45.0, 20.0
"""What a large model usually takes on a CPU, said until it was measured here: Mask R-CNN's figures on two cores."""


class DetectorPace:
    """What warm-up and calls took, and before that what they took the last time."""

    def __init__(self, times: UsualTimes | None, *, cold: bool, slow: bool = False) -> None:
        """``times``: where that is kept, if anywhere; ``cold``: the warm-up is still to come; ``slow``: a large model."""
        self.cold = cold
        self._times = times
        self._warm_up_s = (self._usual("warm_up") or (SLOW_WARM_UP_S if slow else 0.0)) if cold else 0.0
        self._call_s = self._usual("call") or (SLOW_CALL_S if slow else 0.0)
        self._answered = False

    @property
    def call_s(self) -> float:
        """Seconds that a call takes, as far as that is known; 0 where it is not."""
        return self._call_s

    def warmed_up(self, seconds: float, *, well: bool) -> None:
        """The warm-up is over, and went ``well`` or not."""
        self.cold = False
        self._warm_up_s = seconds
        if self._times is not None and well:
            self._times.keep("warm_up", seconds)

    def answered(self, seconds: float) -> None:
        """A call took so long."""
        self._call_s = seconds
        if self._times is not None and not self._answered:
            self._times.keep("call", seconds)
        self._answered = True

    def allowed_s(self, least_s: float) -> float:
        """Seconds that the work under way may take, ``least_s`` in any case."""
        usual_s = (self._warm_up_s or PATIENT_S) if self.cold else self._call_s or self._warm_up_s
        return max(least_s, SILENT_FACTOR * usual_s)

    def awaiting(self, waited_s: float, cameras: int) -> str:
        """When the first result will be there after ``waited_s``, in words, with so many cameras taking turns; empty: soon."""
        if waited_s < WORTH_TELLING_S:
            return ""
        expected_s = self._warm_up_s + (self._call_s or self._warm_up_s) * max(1, cameras)
        if expected_s > waited_s:
            return f"first result in about {max(1.0, expected_s - waited_s):.0f} s"
        return f"no result yet after {waited_s:.0f} s" if waited_s >= SILENT_S else ""

    def _usual(self, step: Step) -> float:
        return (self._times.seconds(step) or 0.0) if self._times is not None else 0.0
