"""Counters and latencies of one pipeline. No clock is read here: times are passed in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

STAGES = ("decode", "inference", "render", "encode", "e2e")
"""The stages whose latency is measured; ``e2e`` is from capture to the last sink."""

_GROWTH = math.log(1.02)
_SMALLEST_S = 1e-6


class Latency:
    """Durations in buckets that grow by 2 %: quantiles within 1 %, and the same memory after a week as after a minute.

    One thread adds; any thread may read.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total_s = 0.0
        self.max_s = 0.0
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one duration; negative ones count as zero."""
        seconds = max(seconds, 0.0)
        self.count += 1
        self.total_s += seconds
        self.max_s = max(self.max_s, seconds)
        self._buckets[math.floor(math.log(max(seconds, _SMALLEST_S) / _SMALLEST_S) / _GROWTH)] += 1

    def quantile_s(self, q: float) -> float:
        """The duration that a share ``q`` (0..1) of all did not exceed, in seconds; 0.0 when there are none."""
        buckets = sorted(self._buckets.copy().items())
        total = sum(n for _, n in buckets)
        seen = 0
        for bucket, n in buckets:
            seen += n
            if seen >= q * total:
                # The geometric middle of the bucket: no value in it is further away than 1 %.
                return min(_SMALLEST_S * math.exp((bucket + 0.5) * _GROWTH), self.max_s)
        return 0.0

    def counts_within(self, bounds_s: Sequence[float]) -> list[int]:
        """How many durations did not exceed each bound (seconds, ascending), to 2 %; last the count of all."""
        buckets = self._buckets.copy()
        edges = [math.log(max(bound, _SMALLEST_S) / _SMALLEST_S) / _GROWTH for bound in bounds_s]
        return [sum(n for bucket, n in buckets.items() if bucket + 0.5 < edge) for edge in edges] + [sum(buckets.values())]

    @property
    def median_s(self) -> float:
        return self.quantile_s(0.5)

    @property
    def p95_s(self) -> float:
        return self.quantile_s(0.95)


@dataclass(slots=True)
class Stats:
    """What one pipeline has done so far. Each number is written by one thread only; any thread may read."""

    frames_in: int = 0
    """Frames that the source gave."""
    frames_out: int = 0
    """Frames that reached every sink."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Frames that did not, by cause: ``queue_full``, ``stale``, ``damaged``, ``abandoned``, ``failed``."""
    damaged_frames: int = 0
    """Frames in which the decoder concealed errors."""
    instances: Counter[int] = field(default_factory=Counter)
    """Instances drawn, by class id, summed over all frames."""
    latencies: dict[str, Latency] = field(default_factory=lambda: {stage: Latency() for stage in STAGES})
    started_at: float = 0.0
    """Monotonic seconds at the start of the run."""
    ended_at: float | None = None

    def seconds(self, now: float) -> float:
        """How long the run has taken (so far)."""
        return (now if self.ended_at is None else self.ended_at) - self.started_at
