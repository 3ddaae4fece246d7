"""How fast counters grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping


class Rates:
    """How fast counters grow, over the last ``window_s`` seconds. :meth:`sample` it about once a second, from one thread."""

    def __init__(self, window_s: float = 10.0) -> None:
        self._window_s = window_s
        self._samples: deque[tuple[float, dict[str, float]]] = deque()
        self._rates: dict[str, float] = {}

    def sample(self, now: float, totals: Mapping[str, float]) -> None:
        """Note what the counters say at ``now`` (monotonic seconds)."""
        samples = self._samples
        samples.append((now, dict(totals)))
        while len(samples) > 2 and now - samples[1][0] >= self._window_s:
            samples.popleft()
        (first_at, first), (last_at, last) = samples[0], samples[-1]
        if last_at > first_at:
            # A new dictionary each time: readers in other threads hold the old one or the new one, never a half.
            self._rates = {name: max(0.0, last[name] - first.get(name, 0.0)) / (last_at - first_at) for name in last}

    def __getitem__(self, name: str) -> float:
        """Growth of the counter in units a second; 0.0 before two samples."""
        return self._rates.get(name, 0.0)
