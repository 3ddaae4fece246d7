"""Perception of recordings with a detector that sees only some of the frames: the others are followed, from both sides."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from streamer.follow.flow import Flow, FlowEstimator, Glimpse
from streamer.follow.follower import Follower
from streamer.follow.motion import Body, step
from streamer.follow.settings import FollowSettings
from streamer.follow.tracks import Track, TrackSummary
from streamer.follow.views import View, instances_of
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.selection import Selection, detect_in
from streamer.stages import Annotated, Detector

AUTO_MOST = 10
"""Most frames from one key frame to the next when their distance is chosen by what happens."""
AUTO_TRAVEL = 1.0
"""A new key frame once a shown object has gone this share of its box's smaller side since it was detected."""
AUTO_SHIFT = 0.04
"""A new key frame once the picture has moved by this share of its width."""
MAX_GAP_S = 2.0


@dataclass(slots=True, eq=False)
class _Held:
    """A frame between two key frames."""

    frame: Frame
    glimpse: Glimpse
    forward: list[tuple[Track, View]]
    """What was carried here from the key frame before."""


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
        detect: Callable[[Detector, Frame], Instances] = detect_in,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if interval != "auto" and interval < 1:
            raise ValueError(f"interval: expected 1 or more frames, or auto, got {interval}")
        self.follower = Follower(settings or FollowSettings.shown_from(select.score_threshold))
        self.inferred = 0
        """Frames that the detector has seen."""
        self._detector = detector
        self._detect = detect
        self._clock = clock
        self._interval = interval
        self._select = select
        self._backward = FlowEstimator()
        self._held: list[_Held] = []
        self._key: Glimpse | None = None
        self._key_frame: Frame | None = None
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
            return [*ready, *self._at_key(frame)]
        self._held.append(_Held(frame, self.follower.newest_glimpse(), self.follower.views()))
        return ready

    def finish(self) -> Iterable[Annotated]:
        """The frames since the last key frame: the last frame of all becomes one."""
        return self._close()

    def close(self) -> None:
        """Close the detector."""
        self._detector.close()

    def tracks_summary(self) -> list[TrackSummary]:
        """What was seen so far."""
        return self.follower.tracks_summary()

    def _due(self, frame: Frame) -> bool:
        since = len(self._held) + 1
        if self._interval != "auto":
            return since >= self._interval
        self._shift_px += self.follower.mean_flow_px
        gone = max(
            (self.follower.gone(track) for track in self.follower.tracks if track.confirmed and not track.misses), default=0.0
        )
        return since >= AUTO_MOST or gone > AUTO_TRAVEL or self._shift_px > AUTO_SHIFT * frame.width

    def _at_key(self, frame: Frame) -> list[Annotated]:
        """Detect in the newest frame, and settle those before it."""
        wanted = replace(self._select, score_threshold=0.0, max_instances=None)
        self.follower.expect(frame.index)
        before = self._clock()
        found = self._detect(self._detector, frame)
        inference_s = self._clock() - before
        self.follower.detected(frame.index, wanted(found))
        self.inferred += 1
        views = self.follower.views()
        glimpse = self.follower.newest_glimpse()
        key = self._annotated(frame, views)
        key.inference_s = inference_s
        ready = [*self._between(frame, glimpse, views), key]
        self._held, self._key, self._key_frame, self._shift_px = [], glimpse, frame, 0.0
        return ready

    def _close(self) -> list[Annotated]:
        """End a scene: its last frame becomes a key frame."""
        if not self._held:
            return []
        last = self._held.pop()
        ready = self._at_key(last.frame)
        self._key = None
        return ready

    def _between(self, key: Frame, glimpse: Glimpse, views: list[tuple[Track, View]]) -> list[Annotated]:
        """Settle the held frames, last to first: carry the objects of the key frame back, and blend."""
        if self._key_frame is None or not self._held:
            return []
        first_s, last_s = self._key_frame.time_s, key.time_s
        seen = {id(track): (track, view) for track, view in views}
        found = [track for track, view in views if not view.followed]
        bodies: list[Body] = [_reversed(track.body) for track in found]
        later, later_s = glimpse, last_s
        settled = []
        for held in reversed(self._held):
            flow: Flow = self._backward.between(later, held.glimpse)
            bodies = step(bodies, flow, later_s - held.frame.time_s, self.follower.gain)
            later, later_s = held.glimpse, held.frame.time_s
            share = (held.frame.time_s - first_s) / max(last_s - first_s, 1e-9)
            back = {id(track): (track, body) for track, body in zip(found, bodies, strict=True)}
            blended = []
            for track, view in held.forward:
                if id(track) in back:
                    age_s = last_s - held.frame.time_s
                    blended.append((track, _blended(view, *back.pop(id(track)), seen[id(track)][1].score, share, age_s)))
                elif share < 0.5 or id(track) in seen:
                    blended.append((track, view))
            for track, body in back.values():
                if share >= 0.5:
                    track.first_frame = min(track.first_frame, held.frame.index)
                    view = _backward_view(track, body, last_s - held.frame.time_s, seen[id(track)][1].score)
                    blended.append((track, view))
            settled.append(self._annotated(held.frame, blended))
        return settled[::-1]

    def _annotated(self, frame: Frame, views: list[tuple[Track, View]]) -> Annotated:
        instances = instances_of(self.follower.visible(views), frame.width, frame.height)
        most = self._select.max_instances
        return Annotated(frame, instances if most is None else instances[:most])


def _reversed(body: Body) -> Body:
    return replace(body, velocity=-body.velocity)


def _backward_view(track: Track, body: Body, age_s: float, score: float) -> View:
    return View(
        track_id=track.track_id,
        class_id=track.class_id,
        score=score,
        box_xyxy=body.box_xyxy,
        mask=track.mask,
        mask_age_s=age_s,
        followed=True,
        opacity=1.0,
    )


def _blended(forward: View, track: Track, body: Body, score: float, share: float, age_s: float) -> View:
    """Between two key frames: boxes by time, masks within the box by time."""
    backward = _backward_view(track, body, age_s, score)
    mask = backward.mask
    if mask is not None and forward.mask is not None and mask.shape == forward.mask.shape:
        mask = np.asarray((1.0 - share) * forward.mask + share * mask, np.float32)
    return replace(
        backward,
        score=(1.0 - share) * forward.score + share * backward.score,
        box_xyxy=(1.0 - share) * forward.box_xyxy + share * body.box_xyxy,
        mask=forward.mask if mask is None else mask,
        mask_age_s=min(forward.mask_age_s, age_s),
    )
