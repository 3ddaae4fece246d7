"""Calling a detector on frames: the picture that it wants in, instances in the displayed picture's pixels out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from streamer.frame import Frame
from streamer.perception.selection import Selection, detect_in
from streamer.stages import Annotated, Detector


class EveryFrame:
    """Perception of recordings: every frame is inferred, in order, by one detector or by several copies of it.

    With one, it is called in the pushing thread. With more, each works in a thread of its own on a frame of its own, which
    costs less processor time than several threads within one small network, and up to as many frames are held back.
    """

    def __init__(
        self, detectors: Sequence[Detector], select: Selection, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        if not detectors:
            raise ValueError("detectors: expected at least one, got none")
        self._detectors = list(detectors)
        self._select = select
        self._clock = clock
        copies = len(detectors) if len(detectors) > 1 else 0
        self._workers = [ThreadPoolExecutor(1, thread_name_prefix=f"detector-{copy}") for copy in range(copies)]
        self._turn = 0
        self._pending: deque[Future[Annotated]] = deque()

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """Hand in a frame; get those whose turn it is."""
        if not self._workers:
            return (self._annotate(self._detectors[0], frame),)
        # In turn, and not whichever is free: a detector may remember what it saw, and a run has to be repeatable.
        turn, self._turn = self._turn, (self._turn + 1) % len(self._workers)
        self._pending.append(self._workers[turn].submit(self._annotate, self._detectors[turn], frame))
        # One more than there are workers, so that none waits for the next frame to be handed in.
        return (self._pending.popleft().result(),) if len(self._pending) > len(self._detectors) else ()

    def finish(self) -> Iterable[Annotated]:
        """The frames that are still being worked on."""
        while self._pending:
            yield self._pending.popleft().result()

    def close(self) -> None:
        """End the workers and close the detectors."""
        for worker in self._workers:
            worker.shutdown(cancel_futures=True)
        for detector in self._detectors:
            detector.close()

    def _annotate(self, detector: Detector, frame: Frame) -> Annotated:
        before = self._clock()
        found = detect_in(detector, frame)
        return Annotated(frame, self._select(found), inference_s=self._clock() - before)
