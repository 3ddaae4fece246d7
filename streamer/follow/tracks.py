"""One object through time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamer.follow.flow_gain import Sighting
from streamer.follow.motion import Doubles, MotionState, Singles, weights_of
from streamer.follow.settings import FollowSettings
from streamer.instances import resampled

DETECTION_POSITION_VAR = 0.08**2
"""Variance of a detected centre, in units of the box's area."""
DETECTION_SIZE_VAR = 0.17**2
"""Relative variance of a detected width or height."""
KNEE = 0.15
"""Smoothed scores from ``hide_below`` to this much above the user's threshold are stretched to begin at the threshold."""
HALF_TRUSTED_VAR = 0.02
"""Variance of a centre, in units of the box's area, that halves the shown score's distance from the threshold."""
CROWDED = 0.6
"""Share of that distance that a fully covered box loses. *Measured* on people with a detector of 5 frames: both together make
AP 0.03 higher."""
DOUBT = 2.0
"""Detections below the threshold have larger variances: at a score of 0 they are 1 + ``DOUBT`` times the ones above."""
DOUBTFUL_OFF = 0.4
"""A detection below the threshold that is further than this from its track, in box sizes, does not move it: it is a part of the
object, or two objects in one box; the flow is more exact."""
JUMP = 0.6
"""A detection above the threshold that is further away than this, in box sizes, moves the track all the way. Its
velocity is then unknown: it was another object's."""
APPEARANCE_RATE = 0.2
"""Weight of the newest detection in the appearance of a track, half as much below the threshold."""
MISSED = 0.85
"""What is left of the smoothed score after a detection that did not find the object."""
SURE_HITS = 3
"""An object that was detected so often ..."""
SURE_MARGIN = 0.1
"""... whose smoothed score is this much above the user's threshold ..."""
ALONE = 0.2
"""... and of which others cover less than this share is shown until a second detection misses it: a slow detector's next chance
comes late."""
CROWD = 0.5
"""Overlap at which the appearance model stops updating: it would take on the appearance of the other object."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Detection:
    """One row of a detector's answer."""

    box_xyxy: Doubles
    score: float
    class_id: int
    mask: Singles | None
    mask_carried: bool = False
    """Whether the detector saw the mask in an earlier frame than this one."""
    appearance: Singles


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """What is known of a track in the end."""

    track_id: int
    class_id: int
    """Class that most detections voted for, weighted by score."""
    first_frame: int
    """Index of the frame of its first detection."""
    last_frame: int
    """Index of the last frame it was shown in."""


@dataclass(slots=True, eq=False, kw_only=True)
class Track:
    """State of one followed object. Owned by one follower."""

    state: MotionState
    past: dict[int, MotionState]
    """Where it was in the frames that a detection may still come for, by frame index."""
    appearance: Singles
    score: float
    """Smoothed score of its detections; sinks while it is missed."""
    votes: dict[int, float]
    """Scores of its detections, summed by class id."""
    mask: Singles | None
    """(M, M) of the whole object: as inferred, and what is hidden as it was inferred before."""
    seen_frame: int
    """Index of the last frame that it was detected in."""
    travel_seen: Doubles
    """float64 (2,): its state's ``travel`` then."""
    mask_time_s: float
    """Time of the picture that it was last inferred from, seconds."""
    first_frame: int
    mask_carried: bool = False
    """Whether its mask is older than its last detection."""
    track_id: int = 0
    """0 until it is shown for the first time: what is never shown takes no number."""
    hits: int = 1
    misses: int = 0
    """Detections in a row that did not find it."""
    last_frame: int = 0
    missed_since_s: float | None = None
    """Time of the first picture in a row in which it was not detected."""
    believed: bool = True
    """Whether its smoothed score is high enough for it to be shown."""
    crowded: float = 0.0
    """Share of its last detection that another one covered."""
    sighting: Sighting | None = None
    """A detection of it, to compare a later one with."""

    @property
    def class_id(self) -> int:
        return max(self.votes, key=self.votes.__getitem__)

    def update(
        self,
        detection: Detection,
        at: MotionState,
        frame: int,
        time_s: float,
        settings: FollowSettings,
        seen: Doubles,
        covered: Singles | None,
    ) -> MotionState:
        """Take a detection of ``frame``, in which the track's state was ``at``; return the corrected state.

        ``seen`` is the detected box, extended over the picture's edge and by the sides that occluders hide; ``covered`` (M, M)
        says how far occluders hide each cell of the mask, 0..1. Centre and size are corrected as by a Kalman filter with a
        scalar variance each.
        """
        centre, size = 0.5 * (seen[:2] + seen[2:]), np.maximum(seen[2:] - seen[:2], 1.0)
        # A doubtful detection is also a less exact one.
        doubtful = max(0.0, settings.start_score - detection.score) / max(settings.start_score, 1e-6)
        doubt = 1.0 + DOUBT * doubtful
        position_gain = at.position_var / (at.position_var + DETECTION_POSITION_VAR * doubt)
        size_gain = at.size_var / (at.size_var + DETECTION_SIZE_VAR * doubt)
        off = np.abs(centre - at.centre) / at.size
        velocity, velocity_known = at.velocity, at.velocity_known
        if doubtful > 0 and off.max() > DOUBTFUL_OFF:
            position_gain = size_gain = 0.0
        elif off.max() > JUMP:
            position_gain = size_gain = 1.0
            velocity, velocity_known = np.zeros(2), 0.0
        centre = at.centre + position_gain * (centre - at.centre)
        half = 0.5 * (at.size + size_gain * (size - at.size))
        self.hits += 1
        self.misses = 0
        self.missed_since_s = None
        self._judge(self.score + 0.4 * (detection.score - self.score), settings)
        self.votes[detection.class_id] = self.votes.get(detection.class_id, 0.0) + detection.score
        box = np.concatenate([centre - half, centre + half])
        weights = weights_of(self.mask)
        self.mask_carried = detection.mask is None or detection.mask_carried
        if detection.mask is not None:
            hidden = np.zeros_like(detection.mask)
            if covered is not None and self.mask is not None and self.mask.shape == detection.mask.shape:
                hidden = covered * self.mask
            weights = weights_of(np.maximum(resampled(detection.mask, detection.box_xyxy, seen), hidden))
            # Its pixels stay where they were detected, wherever between detection and track the box ends up.
            self.mask = np.maximum(resampled(detection.mask, detection.box_xyxy, box), hidden)
        self.seen_frame = frame
        self.mask_time_s = time_s
        self.travel_seen = at.travel
        return MotionState(
            box_xyxy=box,
            weights=weights,
            velocity=velocity,
            velocity_known=velocity_known,
            position_var=(1.0 - position_gain) * at.position_var,
            size_var=(1.0 - size_gain) * at.size_var,
            support=at.support,
            travel=at.travel,
            panned=at.panned,
        )

    def remember(self, detection: Detection, crowded: float, settings: FollowSettings) -> None:
        """Update crowding and appearance by a detection of it, of whose box another one covers the share ``crowded``."""
        self.crowded = crowded
        rate = APPEARANCE_RATE * max(0.0, 1.0 - crowded / CROWD) * (1.0 if detection.score >= settings.start_score else 0.5)
        self.appearance = self.appearance + rate * (detection.appearance - self.appearance)

    def miss(self, time_s: float, settings: FollowSettings) -> None:
        """A detection did not find it."""
        self.misses += 1
        self._judge(MISSED * self.score, settings)
        if self.missed_since_s is None:
            self.missed_since_s = time_s

    def _judge(self, score: float, settings: FollowSettings) -> None:
        steady = min(1.0, (self.hits - 1) / max(1, settings.steady_hits - 1))
        least = 1.0 - (1.0 - settings.hide_below) * steady
        if not self.believed:
            least = max(least, settings.return_above)
        self.score, self.believed = score, score >= least * settings.start_score

    def shown(self, now_s: float, settings: FollowSettings) -> bool:
        """Whether its detections say that it is real, and is there now."""
        if not self.believed or self.missed_since_s is None or now_s - self.missed_since_s <= settings.patience_s:
            return self.believed
        sure = self.hits >= SURE_HITS and self.score >= settings.start_score + SURE_MARGIN and self.crowded < ALONE
        return sure and self.misses < 2

    def shown_score(self, settings: FollowSettings, crowded: float) -> float:
        """The score to tell the user, for a box of which another one covers the share ``crowded``.

        Its distance from the user's threshold says how sure it is that the object is there *and* that the box is right: it
        shrinks with the box's uncertainty, and with what others cover of it (the idea of Soft-NMS). It is never below the
        threshold: a user who asks for scores above it sees none below it. Only what is followed though its smoothed score is
        below a ``wanted_score`` stays below that.
        """
        least, smoothed = settings.wanted_score or settings.start_score, self.score
        unwanted = settings.start_score < least and smoothed < least
        if unwanted:
            least = settings.start_score
        low, knee = settings.hide_below * least, least + KNEE
        if smoothed < knee and not unwanted:
            smoothed = least + KNEE * max(0.0, smoothed - low) / (knee - low)
        trust = (1.0 - CROWDED * crowded) / (
            1.0 + max(0.0, self.state.position_var - DETECTION_POSITION_VAR) / HALF_TRUSTED_VAR
        )
        return least + trust * (smoothed - least)

    def gone(self) -> float:
        """How far it has moved against the background since it was last detected, in shares of its box's smaller side."""
        return self.state.gone(self.travel_seen)

    def summary(self) -> TrackSummary:
        """What is known of it so far."""
        return TrackSummary(self.track_id, self.class_id, self.first_frame, self.last_frame)


def start(detection: Detection, frame: int, time_s: float, box: Doubles) -> Track:
    """A new track from a detection of ``frame``; ``box`` is the detected one with what is outside the picture."""
    mask = None if detection.mask is None else resampled(detection.mask, detection.box_xyxy, box)
    state = MotionState(
        box_xyxy=box,
        weights=weights_of(mask),
        velocity=np.zeros(2),
        position_var=DETECTION_POSITION_VAR,
        size_var=DETECTION_SIZE_VAR,
    )
    return Track(
        state=state,
        past={frame: state},
        appearance=detection.appearance,
        score=detection.score,
        votes={detection.class_id: detection.score},
        mask=mask,
        mask_carried=detection.mask_carried,
        seen_frame=frame,
        travel_seen=state.travel,
        mask_time_s=time_s,
        first_frame=frame,
        last_frame=frame,
    )
