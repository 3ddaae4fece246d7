"""Perception of recordings with several detectors at once, where objects are followed from each frame to the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

from streamer.follow.tracks import TrackSummary
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.detector_team import DetectorTeam
from streamer.perception.interval import Interval
from streamer.perception.selection import Selection, detect_in
from streamer.stages import Annotated, Detector


class Ahead:
    """As ``Interval``, with the same answers: a detection needs nothing from the frames before.

    Frames are handed to the detectors in turn, some ahead, and then in order to what follows the objects. Which frames that
    will ask for is guessed: every ``interval``-th one since the last. Only a cut comes unforeseen: its two frames are detected
    when they are asked for, and what was begun behind them in vain is given up.
    """

    def __init__(
        self,
        detectors: Sequence[Detector],
        interval: int,
        select: Selection,
        detect: Callable[[Detector, Frame, Selection], Instances] = detect_in,
    ) -> None:
        self._team = DetectorTeam(detectors)
        self._wanted = select.to_follow
        self._detect = detect
        self._interval = interval
        # What they work on, with the frames between, and one more for each, so that none waits for the next frame.
        self._most_held = (interval + 1) * len(detectors)
        self._held: deque[Frame] = deque()
        self._answers: dict[int, Future[Instances]] = {}
        self._since = interval - 1
        """Frames since the last one that was begun."""
        self._foreseen = True
        """Whether all frames that were asked for had been begun ahead, since the last push."""
        self._following = Interval(detectors[0], interval, select, keep=True, detect=self._answer)

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
        if not self._foreseen:
            self._guess_again()
        self._held.append(frame)
        self._guess(frame)
        return self._following.push(self._held.popleft()) if len(self._held) > self._most_held else ()

    def finish(self) -> Iterable[Annotated]:
        """The frames that are still being worked on."""
        if self._held and self._held[-1].index not in self._answers:
            self._begin(self._held[-1])  # the last one is asked for in any case
        while self._held:
            if not self._foreseen:
                self._guess_again()
            yield from self._following.push(self._held.popleft())
        yield from self._following.finish()

    def leave(self) -> None:
        """From any thread: do not wait for the detectors any longer; objects are followed from then on."""
        self._following.left = True
        self._team.leave()

    def close(self) -> None:
        """Close the detectors and end their threads."""
        self._following.close()
        self._team.close()

    def tracks_summary(self) -> list[TrackSummary]:
        """What was seen so far."""
        return self._following.tracks_summary()

    def _guess(self, frame: Frame) -> None:
        self._since += 1
        if self._since == self._interval:
            self._begin(frame)
            self._since = 0

    def _guess_again(self) -> None:
        """Interval counts from the last frame that it was handed, which it has asked for."""
        for future in self._answers.values():
            future.cancel()
        self._answers.clear()
        self._foreseen = True
        self._since = 0
        for frame in self._held:
            self._guess(frame)

    def _begin(self, frame: Frame) -> None:
        self._answers[frame.index] = self._team.begin(lambda detector: self._detect(detector, frame, self._wanted))

    def _answer(self, _detector: Detector, frame: Frame, _wanted: Selection) -> Instances:
        if frame.index not in self._answers:
            self._foreseen = False
            self._begin(frame)
        return self._answers.pop(frame.index).result()
