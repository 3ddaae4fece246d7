"""Calling a detector on frames: the picture that it wants in, instances in the displayed picture's pixels out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.detector_team import DetectorTeam
from streamer.perception.selection import Selection, detect_in
from streamer.runtime.own_thread import CallLeft
from streamer.stages import Annotated, Detector


class EveryFrame:
    """Perception of recordings: every frame is inferred, in order, by one detector or by several copies of it.

    Each works in a thread of its own, on a frame of its own: of a small network that costs less processor time than several
    threads within one copy. With more than one, up to as many frames are held back.
    """

    def __init__(
        self,
        detectors: Sequence[Detector],
        select: Selection,
        clock: Callable[[], float] = time.perf_counter,
        *,
        keep: bool = False,
        detect: Callable[[Detector, Frame, Selection], Instances] = detect_in,
    ) -> None:
        """``keep``: leave the detectors open at the end, for another recording."""
        self._team = DetectorTeam(detectors, keep=keep)
        self._select = select
        self._clock = clock
        self._detect = detect
        self._pending: deque[Future[Annotated]] = deque()

    @property
    def left(self) -> bool:
        """Whether the detectors' answers were not waited for any longer."""
        return self._team.left

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """Hand in a frame; get those whose turn it is."""
        self._pending.append(self._team.begin(lambda detector: self._annotate(detector, frame)))
        # One more than there are copies, so that none waits for the next frame to be handed in.
        held = len(self._team) if len(self._team) > 1 else 0
        return self._next() if len(self._pending) > held else ()

    def finish(self) -> Iterable[Annotated]:
        """The frames that are still being worked on."""
        while self._pending:
            yield from self._next()

    def leave(self) -> None:
        """From any thread: do not wait for the detector any longer. Frames that it has not answered for are not handed out."""
        self._team.leave()

    def close(self) -> None:
        """Close the detectors and end their threads; one that was left closes its detector when its call returns."""
        self._team.close()

    def _next(self) -> Iterable[Annotated]:
        try:
            return (self._pending.popleft().result(),)
        except CallLeft:
            return ()

    def _annotate(self, detector: Detector, frame: Frame) -> Annotated:
        before = self._clock()
        found = self._detect(detector, frame, self._select)
        return Annotated(frame, self._select(found), inference_s=self._clock() - before, looked_s=frame.time_s)
