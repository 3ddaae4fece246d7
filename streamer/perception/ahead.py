"""Perception of recordings with several detectors at once, where objects are followed from each frame to the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

from streamer.follow.tracks import TrackSummary
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.interval import Interval
from streamer.perception.selection import Selection, detect_in
from streamer.runtime.own_thread import OwnThread
from streamer.stages import Annotated, Detector


class Ahead:
    """As ``Interval`` with an interval of 1, with the same answers: a detection needs nothing from the frames before.

    Frames are handed to the detectors in turn, some ahead, and then in order to what follows the objects.
    """

    def __init__(
        self,
        detectors: Sequence[Detector],
        select: Selection,
        detect: Callable[[Detector, Frame, Selection], Instances] = detect_in,
    ) -> None:
        if not detectors:
            raise ValueError("detectors: expected at least one, got none")
        self._detectors = list(detectors)
        self._threads = [OwnThread(f"detector-{copy}") for copy in range(len(detectors))]
        self._wanted = select.to_follow
        self._detect = detect
        self._turn = 0
        self._held: deque[Frame] = deque()
        self._answers: dict[int, Future[Instances]] = {}
        self._following = Interval(detectors[0], 1, select, keep=True, detect=self._answer)

    @property
    def left(self) -> bool:
        """Whether the detectors' answers were not waited for any longer."""
        return self._following.left

    @property
    def followed_at_end(self) -> int:
        """Frames that were handed out without waiting for a detector."""
        return self._following.followed_at_end

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """Hand in a frame; get those whose turn it is."""
        turn, self._turn = self._turn, (self._turn + 1) % len(self._threads)
        detector, wanted = self._detectors[turn], self._wanted
        self._answers[frame.index] = self._threads[turn].begin(lambda: self._detect(detector, frame, wanted))
        self._held.append(frame)
        # One more for each detector than it works on, so that none waits for the next frame.
        return self._following.push(self._held.popleft()) if len(self._held) > 2 * len(self._threads) else ()

    def finish(self) -> Iterable[Annotated]:
        """The frames that are still being worked on."""
        while self._held:
            yield from self._following.push(self._held.popleft())
        yield from self._following.finish()

    def leave(self) -> None:
        """From any thread: do not wait for the detectors any longer; objects are followed from then on."""
        self._following.left = True
        for thread, detector in zip(self._threads, self._detectors, strict=True):
            thread.leave(last=detector.close)

    def close(self) -> None:
        """Close the detectors and end their threads."""
        self._following.close()
        for thread, detector in zip(self._threads, self._detectors, strict=True):
            if not self.left:
                thread.call(detector.close)
            thread.close()

    def tracks_summary(self) -> list[TrackSummary]:
        """What was seen so far."""
        return self._following.tracks_summary()

    def _answer(self, _detector: Detector, frame: Frame, _wanted: Selection) -> Instances:
        return self._answers.pop(frame.index).result()
