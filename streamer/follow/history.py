"""What is kept of the frames that a detection may still come for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import pairwise

from streamer.follow.flow import Flow, LowResFrame


@dataclass(slots=True, eq=False)
class Moment:
    """What is kept of one frame."""

    index: int
    time_s: float
    size: tuple[int, int]
    """Width and height of the picture."""
    low_res: LowResFrame
    _flow: Flow | Callable[[], Flow] | None
    """The flow, or how it is computed once it is needed."""
    since_s: float = 0.0
    """Seconds since the frame before."""

    @property
    def flow(self) -> Flow | None:
        """From the moment before to this one; None for the first after a start or a cut."""
        if callable(self._flow):
            self._flow = self._flow()
        return self._flow

    def after(self, flow: Flow) -> None:
        """Follow upon an earlier moment than before, by ``flow``."""
        self._flow = flow


@dataclass(eq=False)
class History:
    """The moments from the oldest that an answer may come for up to now, ``most`` of them.

    Beyond that two steps are merged into one, so that the slowest detector takes no more memory.
    """

    most: int
    _moments: deque[Moment] = field(default_factory=deque)
    _expected: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._moments)

    @property
    def newest(self) -> Moment:
        """Raises ``IndexError`` before the first."""
        return self._moments[-1]

    def clear(self) -> None:
        """Forget everything."""
        self._moments.clear()
        self._expected.clear()

    def append(self, moment: Moment) -> float:
        """Add the newest moment; returns the seconds since the one before, 0 for the first and where time goes back."""
        seconds = max(0.0, moment.time_s - self._moments[-1].time_s) if self._moments else 0.0
        moment.since_s = seconds
        self._moments.append(moment)
        return seconds

    def expect(self, indices: list[int]) -> None:
        """Answers may still come for these frames, and no others."""
        self._expected = indices

    def answered(self, index: int) -> tuple[Moment, list[Moment]] | None:
        """The moment of an answer, and those after it; None when it is of a scene that has gone. No older answer comes."""
        self._expected = [expected for expected in self._expected if expected > index]
        moments = list(self._moments)
        position = next((i for i, moment in enumerate(moments) if moment.index == index), None)
        return None if position is None else (moments[position], moments[position + 1 :])

    def shrink(self) -> set[int]:
        """Drop what no expected answer needs, merge steps when there are too many; returns the indices that are kept."""
        if not self._moments:
            return set()
        needed = min(self._expected, default=self.newest.index)
        while len(self._moments) > 1 and self._moments[0].index < needed:
            self._moments.popleft()
        wanted = {*self._expected, self.newest.index}
        while len(self._moments) > self.most and self._merge(wanted):
            pass
        return {moment.index for moment in self._moments}

    def _merge(self, wanted: AbstractSet[int]) -> bool:
        """Make one step of the two shortest neighbours that no detection is expected between. False when there are none."""
        pairs = [
            (first.flow.steps + second.flow.steps, i, first.flow, second)
            for i, (first, second) in enumerate(pairwise(self._moments))
            if i > 0 and first.index not in wanted and first.flow is not None and second.flow is not None
        ]
        if not pairs:
            return False
        _, i, flow, second = min(pairs, key=lambda pair: pair[:2])
        assert second.flow is not None
        second.after(flow.then(second.flow))
        del self._moments[i]
        return True
