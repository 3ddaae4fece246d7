"""Perception of recordings with a detector that sees only some of the frames: the others are followed, from both sides."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Literal

from streamer.follow.between import Between, Passed, Views
from streamer.follow.flow import LowResFrame
from streamer.follow.follower import Follower
from streamer.follow.settings import MAX_GAP_S, FollowSettings
from streamer.follow.tracks import TrackSummary
from streamer.follow.views import Snapshot
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.selection import Selection, detect_in
from streamer.runtime.own_thread import CallLeft, OwnThread
from streamer.stages import Annotated, Detector

AUTO_MOST = 10
"""Most frames from one key frame to the next when their distance is chosen by what happens."""
AUTO_TRAVEL = 1.0
"""A new key frame once a shown object has gone this share of its box's smaller side since it was detected."""
AUTO_SHIFT = 0.04
"""A new key frame once the picture has moved by this share of its width."""


class Interval:
    """Runs the detector on every ``interval``-th frame of a recording, and follows objects through the others.

    A recording knows the future: frames between two key frames are held back until the second one is detected, then each
    object is carried there from both sides and blended by time. With an interval of 1 every frame is inferred, and tracks mend
    what single detections miss. ``auto`` spaces the key frames by how much moves. The detector should be made with half the
    score threshold of ``select``: doubtful detections extend tracks.
    """

    def __init__(
        self,
        detector: Detector,
        interval: int | Literal["auto"],
        select: Selection,
        *,
        settings: FollowSettings | None = None,
        keep: bool = False,
        detect: Callable[[Detector, Frame, Selection], Instances] = detect_in,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """``keep``: leave the detector open at the end, for another recording."""
        if interval != "auto" and interval < 1:
            raise ValueError(f"interval: expected 1 or more frames, or auto, got {interval}")
        self.follower = Follower(settings or FollowSettings.shown_from(select.score_threshold, select.wanted_score))
        self.inferred = 0
        """Frames that the detector has seen."""
        self.left = False
        """Whether the detector's answer was not waited for any longer."""
        self.followed_at_end = 0
        """Frames that were handed out without waiting for the detector."""
        self._detector = detector
        self._thread = OwnThread("detector")
        self._detect = detect
        self._clock = clock
        self._keep = keep
        self._interval = interval
        self._select = select
        self._between = Between()
        self._held: list[tuple[Frame, Snapshot]] = []
        """The frames since the last key frame, each with what was carried into it."""
        self._key: Frame | None = None
        """The last key frame; None at the start of a scene."""
        self._last: Frame | None = None
        self._shift_px = 0.0

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """Take a frame; between key frames nothing comes back, at one all since the one before."""
        if self._last is not None and not 0.0 < frame.time_s - self._last.time_s <= MAX_GAP_S:
            ready = self._close()
            self.follower.reset()
        elif self._last is not None and self.follower.would_cut(frame):
            ready = self._close()
        else:
            ready = []
        continues = self.follower.advance(frame)
        self._last = frame
        if self._key is None or not continues or self._due(frame):
            return [*ready, *self._at_key(frame, cut=not continues)]
        self._held.append((frame, self.follower.snapshot()))
        return ready

    def finish(self) -> Iterable[Annotated]:
        """The frames since the last key frame: the last frame of all becomes one."""
        return self._close()

    def leave(self) -> None:
        """From any thread: do not wait for the detector any longer. From then on objects are followed, as long as the scene
        goes on; frames of which nothing is known are not handed out.
        """
        self.left = True
        self._thread.leave(last=self._detector.close)

    def close(self) -> None:
        """Close the detector; one that was left is closed when its call returns."""
        if not self.left and not self._keep:
            self._thread.call(self._detector.close)
        self._thread.close()

    def tracks_summary(self) -> list[TrackSummary]:
        """What was seen so far."""
        return self.follower.tracks_summary()

    def _due(self, frame: Frame) -> bool:
        since = len(self._held) + 1
        if self._interval != "auto":
            return since >= self._interval
        self._shift_px += self.follower.mean_flow_px
        return since >= AUTO_MOST or self.follower.travel > AUTO_TRAVEL or self._shift_px > AUTO_SHIFT * frame.width

    def _at_key(self, frame: Frame, *, cut: bool = False) -> list[Annotated]:
        """Detect in the newest frame, and settle those before it."""
        before = self._clock()
        wanted = self._select.to_follow
        try:
            detections = self._thread.call(lambda: self._detect(self._detector, frame, wanted))
        except CallLeft:
            return self._followed(frame)
        inference_s = self._clock() - before
        self.follower.detected(frame.index, wanted(detections))
        self.inferred += 1
        snapshot = self.follower.snapshot()
        newest = self._annotated(frame, snapshot.low_res, snapshot.views, frame, inference_s)
        newest.cut = cut
        ready = [*self._settled(frame, snapshot), newest]
        self._held, self._key, self._shift_px = [], frame, 0.0
        return ready

    def _close(self) -> list[Annotated]:
        """End a scene: its last frame becomes a key frame."""
        if not self._held:
            return []
        last, _ = self._held.pop()
        ready = self._at_key(last)
        self._key = None
        return ready

    def _followed(self, frame: Frame) -> list[Annotated]:
        """The held frames and ``frame`` as they follow from the last key frame, without another one."""
        held, self._held = self._held, []
        if self._key is None:
            return []
        known = [*held, (frame, self.follower.snapshot())]
        self.followed_at_end += len(known)
        looked = self._key
        return [self._annotated(each, then.low_res, then.views, looked) for each, then in known]

    def _settled(self, key: Frame, snapshot: Snapshot) -> list[Annotated]:
        """The held frames with their objects, now that the key frame after them is known."""
        if self._key is None or not self._held:
            return []
        passed = [Passed(frame.index, frame.time_s, carried) for frame, carried in self._held]
        views = self._between.views(self._key.time_s, passed, snapshot, key.time_s)
        looked = self._key
        return [
            self._annotated(frame, carried.low_res, shown, looked)
            for (frame, carried), shown in zip(self._held, views, strict=True)
        ]

    def _annotated(
        self,
        frame: Frame,
        low_res: LowResFrame,
        views: Views,
        looked: Frame | None,
        inference_s: float | None = None,
    ) -> Annotated:
        instances = self.follower.instances_of(views, low_res)
        most = self._select.max_instances
        shown = instances if most is None else instances[:most]
        return Annotated(frame, shown, inference_s=inference_s, looked_s=None if looked is None else looked.time_s)
