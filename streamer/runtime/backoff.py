"""How long to wait before the next attempt to connect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_SHARE = 0.2
_JITTER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits a fifth of the time that the peer has been away so far, between two limits.

    Each wait makes the time away a fifth longer, so waits grow exponentially; and since they are tied to the time away, not to
    a count, slow attempts (a silent host) and quick ones (a refusal) fare alike. A peer that was away for T seconds is
    noticed within a fifth of T (or ``initial_s``) of coming back; with doubling waits it could take T.

    Up to a quarter of each wait is taken off at random, so that sources which were lost together do not all connect at once.
    """

    initial_s: float = 0.5
    """Shortest wait in seconds, before jitter."""
    max_s: float = 30.0
    """Longest wait in seconds."""

    def __post_init__(self) -> None:
        if not 0.0 < self.initial_s <= self.max_s:
            raise ValueError(f"expected 0 < initial_s <= max_s, got {self.initial_s:g} and {self.max_s:g}")

    def delay_s(self, away_s: float, random: Callable[[], float]) -> float:
        """Seconds to wait when the peer has been away for ``away_s``; ``random`` gives numbers 0..1."""
        wait_s = min(max(self.initial_s, _SHARE * away_s), self.max_s)
        return wait_s * (1.0 - _JITTER * random())
