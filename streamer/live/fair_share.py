"""Whose turn it is: fair queuing of calls to something that many share."""

from __future__ import annotations

from collections.abc import Collection


class FairShare:
    """Start-time fair queuing: the one that has had the least, by weight, is next. Neither threads nor clocks.

    The unit is the call: each call costs 1 / weight. Not the seconds that it took, because a delay of the machine would
    then cost the camera that happened to be served another turn. One that was away has not saved up for it: it comes back
    at most one call ahead, which evens out frames that miss their turn by a moment.

    After Goyal, Vin, Cheng: Start-time Fair Queuing (SIGCOMM 1996), with calls as packets of equal length.
    """

    def __init__(self) -> None:
        self._cost: dict[str, float] = {}
        self._due: dict[str, float] = {}
        """Virtual time at which each has had its share so far."""
        self._now = 0.0
        """Virtual time: where the one that was served last began."""

    def add(self, name: str, weight: float = 1.0) -> None:
        """Let ``name`` take part. Raises ``ValueError`` for a weight that is not above 0 and a name that is there."""
        if not weight > 0:
            raise ValueError(f"weight of {name}: expected more than 0, got {weight:g}")
        if name in self._cost:
            raise ValueError(f"{name} takes part already")
        self._cost[name] = 1.0 / weight
        self._due[name] = self._now

    def remove(self, name: str) -> None:
        """Let ``name`` go; unknown names are no error."""
        self._cost.pop(name, None)
        self._due.pop(name, None)

    def next(self, waiting: Collection[str]) -> str:
        """The one of ``waiting`` (at least one) whose turn it is; its call is charged at once."""
        begins = {name: max(self._due[name], self._now - self._cost[name]) for name in waiting}
        # Of equals the one that is asked least often first, then by name: the same order each time.
        chosen = min(begins, key=lambda name: (begins[name], -self._cost[name], name))
        self._now = max(self._now, begins[chosen])
        self._due[chosen] = begins[chosen] + self._cost[chosen]
        return chosen
