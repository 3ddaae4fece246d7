"""How much a viewer's line takes, and which size of picture suits it."""

from __future__ import annotations

from dataclasses import dataclass

_LOST = 0.05
"""So much loss is trouble, as a share of the packets."""
_FALL = 0.9
"""An estimate that falls below this share of what it was is trouble, too: pictures queue up on the way."""
_TROUBLE_S = 3.0
"""Trouble is over when there was none for so long."""
_SETTLE_S = 3.0
"""Nothing is concluded sooner after a change: what is reported is still of what was before."""
FIRST_TRIAL_S = 60.0
"""After so long a larger picture is tried again: nothing tells what a line could take beyond what is sent."""
LAST_TRIAL_S = 960.0


@dataclass(slots=True)
class Line:
    """What a browser reports of its line. Pure: times are passed in.

    That its estimate is below what is sent says nothing alone: it grows slowly where a calm picture becomes a lively one.
    """

    bits_per_s: int | None = None
    """What the browser believes that its line takes (REMB); None until it has said so."""
    _trouble_s: float | None = None

    def estimate(self, bits_per_s: int, now_s: float) -> None:
        """The browser has told what its line takes."""
        if self.bits_per_s is not None and bits_per_s < _FALL * self.bits_per_s:
            self._trouble_s = now_s
        self.bits_per_s = bits_per_s

    def lost(self, share: float, now_s: float) -> None:
        """That share of the packets since the last report is lost; 1 where a picture could not be shown."""
        if share >= _LOST:
            self._trouble_s = now_s

    def is_too_thin(self, needed_bits_per_s: float, now_s: float) -> bool:
        """Whether what is sent is more than the line takes."""
        has_trouble = self._trouble_s is not None and now_s - self._trouble_s <= _TROUBLE_S
        return has_trouble and self.bits_per_s is not None and self.bits_per_s < needed_bits_per_s


class Sizes:
    """Which of several sizes is sent, 0 the largest. One too much for the line is left, and tried again later. Pure."""

    def __init__(self, count: int) -> None:
        self.current = 0
        self._count = count
        self._changed_s = float("-inf")
        self._trial_s = FIRST_TRIAL_S
        self._is_trial = False

    def judge(self, *, too_thin: bool, now_s: float) -> bool:
        """Whether :attr:`current` has changed, by what is known of the line now."""
        since_s = now_s - self._changed_s
        if since_s < _SETTLE_S:
            return False
        if too_thin and self.current + 1 < self._count:
            if self._is_trial and since_s < FIRST_TRIAL_S:
                self._trial_s = min(2 * self._trial_s, LAST_TRIAL_S)
            return self._change(1, now_s)
        if not too_thin and self.current and since_s >= self._trial_s:
            return self._change(-1, now_s)
        return False

    def _change(self, by: int, now_s: float) -> bool:
        self.current += by
        self._changed_s, self._is_trial = now_s, by < 0
        return True
