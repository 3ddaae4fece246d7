"""Perception that never waits: every frame gets the objects of now, while the detector works on an earlier one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from streamer.follow.follower import Follower
from streamer.follow.identities import Identities
from streamer.follow.settings import MAX_GAP_S, FollowSettings
from streamer.follow.tracks import TrackSummary
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.selection import Selection
from streamer.stages import Annotated, DetectorService

MIN_MASK_AGE_S = 1.5
SLOW_FACTOR = 3.0
"""Unless told otherwise, masks live for so many times what the detector takes, and at least ``MIN_MASK_AGE_S``."""
TURN_FACTOR = 1.5
"""They live at least this much longer than they are when the next answer comes, which takes its turn with other cameras'."""
MOST_TURNS = 10.0
"""Pauses between answers count up to so many times what the detector takes: longer ones are no turns, but failures."""


class Following:
    """Perception of live sources. :meth:`push` takes a few milliseconds, whatever the detector takes.

    Starts afresh when the picture's size or the source changes, time jumps, or :meth:`reset` says so. Ids go on.
    """

    def __init__(
        self,
        service: DetectorService,
        select: Selection,
        *,
        max_mask_age_s: float | None = None,
        settings: FollowSettings | None = None,
        identities: Identities | None = None,
        longest_pause_s: float = 0.0,
    ) -> None:
        """``select`` says what is shown; ``max_mask_age_s`` hides older masks, None: as suits the detector's pace.

        ``longest_pause_s``: the detector is not asked for so long where that is not needed; masks live longer then.
        ``identities`` are those of another one that this one replaces: no id means two objects.
        """
        if max_mask_age_s is not None and not max_mask_age_s > 0:
            raise ValueError(f"max_mask_age_s: expected more than 0, got {max_mask_age_s}")
        self.follower = Follower(
            settings or FollowSettings.shown_from(select.score_threshold, select.wanted_score), identities or Identities()
        )
        self.detection_latency_s = 0.0
        """From a frame's capture to the use of its detections, for the last one; 0 before it."""
        self._answer_interval_s = 0.0
        """Between the last two answers; 0 before the second."""
        self._service = service
        self._select = select
        self._max_mask_age_s = max_mask_age_s
        self._longest_pause_s = longest_pause_s
        self._before: Frame | None = None
        self._newest: Annotated | None = None
        self._since = -np.inf
        """Capture time of the first frame since the last reset: answers for earlier ones belong to a previous scene."""
        self._used_at: float | None = None
        """Capture time of the frame that the newest answer came to."""
        self._answered = -np.inf
        """Capture time of the newest frame that was answered."""
        self._looked_s: float | None = None
        """Stream time of the newest frame of this scene that was answered."""

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """The frame with the objects as they are in it now."""
        if self._jumps(frame):
            self.reset()
        cut = not self.follower.advance(frame)
        if cut or self._since == -np.inf:
            self._since = frame.captured_at
            self._looked_s = None
        self._before = frame
        answer = self._service.poll()
        if answer is not None:
            self._use(*answer, now=frame.captured_at)
        # A damaged frame would be answered with nonsense.
        if not frame.damaged:
            self._service.submit(frame)
        self._expect(frame)
        shown = self._shown(self.follower.instances())
        self._newest = Annotated(frame, shown, looked_s=self._still_known(frame), cut=cut)
        return [self._newest]

    def skip(self, frame: Frame) -> Annotated:
        """``frame`` with the objects where they were last, as long as they are not too old."""
        known = self._newest
        if known is None:
            return Annotated(frame, Instances.empty())
        carried = known.instances.carried(frame.time_s - known.frame.time_s, self.max_mask_age_s)
        return Annotated(frame, carried, looked_s=self._still_known(frame))

    def finish(self) -> Iterable[Annotated]:
        """Nothing is ever held back."""
        return []

    def close(self) -> None:
        """Leave the detector."""
        self._service.close()

    def reset(self) -> None:
        """The next frame has nothing to do with those before: a reconnect, another source."""
        self.follower.reset()
        self._before = self._newest = self._looked_s = None
        self._since = -np.inf

    def tracks_summary(self) -> list[TrackSummary]:
        """What was seen so far."""
        return self.follower.tracks_summary()

    @property
    def max_mask_age_s(self) -> float:
        """Seconds after which a mask is not shown any more."""
        if self._max_mask_age_s is not None:
            return self._max_mask_age_s
        latency_s = self.detection_latency_s
        oldest_s = latency_s + max(self._longest_pause_s, min(self._answer_interval_s, MOST_TURNS * latency_s))
        return max(MIN_MASK_AGE_S, SLOW_FACTOR * latency_s, TURN_FACTOR * oldest_s)

    def _jumps(self, frame: Frame) -> bool:
        before = self._before
        return before is not None and (
            frame.source != before.source
            or frame.index <= before.index
            or not 0.0 < frame.time_s - before.time_s <= MAX_GAP_S
            or (frame.width, frame.height) != (before.width, before.height)
        )

    def _use(self, frame: Frame, found: Instances, now: float) -> None:
        self._answered = max(self._answered, frame.captured_at)
        self.detection_latency_s = now - frame.captured_at
        self._answer_interval_s = 0.0 if self._used_at is None else now - self._used_at
        self._used_at = now
        if frame.captured_at < self._since:
            return
        # What was seen in a frame that is not kept any more is not known now.
        if self.follower.detected(frame.index, self._select.to_follow(found)):
            self._looked_s = frame.time_s if self._looked_s is None else max(self._looked_s, frame.time_s)

    def _still_known(self, frame: Frame) -> float | None:
        """When the detector has looked last, unless that is too long ago for what it saw to be shown."""
        looked = self._looked_s
        return looked if looked is not None and frame.time_s - looked <= self.max_mask_age_s else None

    def _expect(self, newest: Frame) -> None:
        begun = [
            frame for frame in self._service.begun if frame.captured_at >= self._since and frame.captured_at > self._answered
        ]
        self.follower.expect(newest.index, *(frame.index for frame in begun))

    def _shown(self, instances: Instances) -> Instances:
        if not len(instances):
            return instances
        limit = self.max_mask_age_s
        young = instances.mask_age_s <= limit
        if not young.all():
            instances = instances[young]
        # In the last quarter of the time allowed masks fade out instead of vanishing.
        fade = np.clip((limit - instances.mask_age_s) / (0.25 * limit), 0.0, 1.0)
        instances = replace(instances, opacity=np.minimum(instances.opacity, fade))
        most = self._select.max_instances
        return instances if most is None else instances[:most]
