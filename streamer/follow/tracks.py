"""One object through time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from streamer.follow.flow_gain import Sighting
from streamer.follow.motion import Body, Doubles, Singles, weights_of
from streamer.follow.settings import FollowSettings
from streamer.instances import resampled

DETECTION_POSITION_VAR = 0.08**2
"""Variance of a detected centre, in units of the box's area."""
DETECTION_SIZE_VAR = 0.17**2
"""Relative variance of a detected width or height."""
KNEE = 0.15
"""Smoothed scores up to this much above the user's threshold are shown between the threshold and there."""
HALF_TRUSTED_VAR = 0.02
"""Variance of a centre, in units of the box's area, that halves what the score is above the threshold ..."""
CROWDED = 0.6
"""... and the share of that which somebody loses who is covered altogether. *Measured* on people with a detector of 5 frames:
both together make AP 0.03 higher."""
DOUBT = 2.0
"""How much larger these variances are for a detection whose score is 0, at the threshold they are as above."""
DOUBTFUL_OFF = 0.2
"""A doubtful detection that lies further than this from where the track is, in sizes of it, does not move it: it is a part of
somebody, or two in one box; the flow knows better."""
JUMP = 0.6
"""A sure one that lies further away than this moves the track all the way: it has been somewhere else."""
PART = 0.7
"""Share of its area with which something lies within something else to be taken for a part of it."""
SURENESS_RATE = 0.07
"""How fast doubtful detections wear out the trust that sure ones gave."""
LOOK_RATE = 0.2
"""How fast the look of somebody who stands alone follows that of his detections, half as fast with doubtful ones ..."""
CROWD = 0.5
"""... and not at all from this share of his box on that somebody else covers: he would take on the other one's looks."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Found:
    """One row of a detector's answer."""

    box_xyxy: Doubles
    score: float
    class_id: int
    mask: Singles | None
    look: Singles


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

    body: Body
    past: dict[int, Body]
    """Where it was in the frames that a detection may still come for, by frame index."""
    look: Singles
    score: float
    """Smoothed score of its detections; sinks while it is missed."""
    votes: dict[int, float]
    """Scores of its detections, summed by class id."""
    mask: Singles | None
    """(M, M) of the whole object: as inferred, and what is hidden as it was inferred before."""
    seen_frame: int
    """Index of the last frame that it was detected in."""
    travel_seen: Doubles
    """float64 (2,): its body's ``travel`` then."""
    mask_time_s: float
    """Time of the picture that it was last inferred from, seconds."""
    first_frame: int
    track_id: int = 0
    """0 until it is shown for the first time: what is never shown takes no number."""
    confirmed: bool = False
    hits: int = 1
    misses: int = 0
    """Detections in a row that did not find it."""
    sureness: float = 1.0
    """0..1: share of sure detections among those of late."""
    last_frame: int = 0
    missed_since_s: float | None = None
    """Time of the first picture in a row in which it was not found."""
    score_sum: float = field(default=0.0)
    sighting: Sighting | None = None
    """A detection of it, to compare a later one with."""

    @property
    def class_id(self) -> int:
        return max(self.votes, key=self.votes.__getitem__)

    @property
    def mean_score(self) -> float:
        return self.score_sum / self.hits

    def update(
        self,
        found: Found,
        at: Body,
        frame: int,
        time_s: float,
        settings: FollowSettings,
        seen: Doubles,
        covered: Singles | None,
    ) -> Body:
        """Take a detection of ``frame``, where the track stood as ``at``; return where it really stood.

        ``seen`` is the detected box, as it would be without the picture's edge and whoever stands in front; ``covered`` says
        of each cell of the mask how far somebody hides it. The centre and size are mended like a Kalman filter would, with a
        scalar variance each.
        """
        centre, size = 0.5 * (seen[:2] + seen[2:]), np.maximum(seen[2:] - seen[:2], 1.0)
        # A doubtful detection is also a less exact one.
        doubtful = max(0.0, settings.start_score - found.score) / max(settings.start_score, 1e-6)
        doubt = 1.0 + DOUBT * doubtful
        position_gain = at.position_var / (at.position_var + DETECTION_POSITION_VAR * doubt)
        size_gain = at.size_var / (at.size_var + DETECTION_SIZE_VAR * doubt)
        off = np.abs(centre - at.centre) / at.size
        if doubtful > 0 and off.max() > DOUBTFUL_OFF:
            position_gain = size_gain = 0.0
        elif off.max() > JUMP:
            position_gain = size_gain = 1.0
        centre = at.centre + position_gain * (centre - at.centre)
        half = 0.5 * (at.size + size_gain * (size - at.size))
        self.hits += 1
        self.misses = 0
        self.missed_since_s = None
        self.score_sum += found.score
        self.sureness += SURENESS_RATE * ((found.score >= settings.start_score) - self.sureness)
        self.score += 0.4 * (found.score - self.score)
        self.votes[found.class_id] = self.votes.get(found.class_id, 0.0) + found.score
        box = np.concatenate([centre - half, centre + half])
        weights = weights_of(self.mask)
        if found.mask is not None:
            hidden = np.zeros_like(found.mask)
            if covered is not None and self.mask is not None and self.mask.shape == found.mask.shape:
                hidden = covered * self.mask
            weights = weights_of(np.maximum(resampled(found.mask, found.box_xyxy, seen), hidden))
            # Its pixels stay where they were found, wherever between detection and track the box ends up.
            self.mask = np.maximum(resampled(found.mask, found.box_xyxy, box), hidden)
        self.seen_frame = frame
        self.mask_time_s = time_s
        self.travel_seen = at.travel
        return Body(
            box_xyxy=box,
            weights=weights,
            velocity=at.velocity,
            velocity_known=at.velocity_known,
            position_var=(1.0 - position_gain) * at.position_var,
            size_var=(1.0 - size_gain) * at.size_var,
            support=at.support,
            travel=at.travel,
            panned=at.panned,
        )

    def remember(self, found: Found, crowded: float, settings: FollowSettings) -> None:
        """Take on the looks of a detection of it, of whose box another one covers the share ``crowded``."""
        rate = LOOK_RATE * max(0.0, 1.0 - crowded / CROWD) * (1.0 if found.score >= settings.start_score else 0.5)
        self.look = self.look + rate * (found.look - self.look)

    def miss(self, time_s: float) -> None:
        """A detection did not find it."""
        self.misses += 1
        self.score *= 0.88
        if self.missed_since_s is None:
            self.missed_since_s = time_s

    def travels(self, settings: FollowSettings) -> bool:
        """Whether it has moved on its own: doubtful things that stand are mostly things."""
        return float(np.linalg.norm(self.body.travel)) >= settings.confirm_travel * float(self.body.size.min())

    def believed(self, settings: FollowSettings) -> bool:
        """Whether its detections say that it is real."""
        if not self.confirmed or self.score < settings.hide_below * settings.start_score:
            return False
        return self.sureness >= settings.min_sureness or self.travels(settings)

    def shown_score(self, settings: FollowSettings, crowded: float) -> float:
        """The score to tell the user, for a box of which another one covers the share ``crowded``.

        How far it is above the user's threshold says how sure it is that somebody is there *and* that the box is right: it
        shrinks with the box's uncertainty, and with what others cover of it (the idea of Soft-NMS). It never reads below the
        threshold: whoever asked for those above it sees none below it.
        """
        low, knee = settings.hide_below * settings.start_score, settings.start_score + KNEE
        smoothed = self.score
        if smoothed < knee:
            smoothed = settings.start_score + KNEE * max(0.0, smoothed - low) / (knee - low)
        trust = (1.0 - CROWDED * crowded) / (1.0 + max(0.0, self.body.position_var - DETECTION_POSITION_VAR) / HALF_TRUSTED_VAR)
        return settings.start_score + trust * (smoothed - settings.start_score)

    def opacity(self, now_s: float, settings: FollowSettings) -> float:
        """1 while it is believed to be there, falling to 0 once it has not been found for too long."""
        steady = self.hits >= settings.patience_hits
        # One miss of a slow detector is a long time, but no more of a sign than one of a quick detector.
        if self.missed_since_s is None or (steady and self.misses < 2):
            return 1.0
        patience = settings.patience_s if steady else 0.0
        over = now_s - self.missed_since_s - patience
        if over <= 0:
            return 1.0
        return max(0.0, 1.0 - over / settings.fade_s) if settings.fade_s > 0 else 0.0


def start(found: Found, frame: int, time_s: float) -> Track:
    """A new track from a detection of ``frame``."""
    body = Body(
        box_xyxy=found.box_xyxy,
        weights=weights_of(found.mask),
        velocity=np.zeros(2),
        position_var=DETECTION_POSITION_VAR,
        size_var=DETECTION_SIZE_VAR,
    )
    return Track(
        body=body,
        past={frame: body},
        look=found.look,
        score=found.score,
        votes={found.class_id: found.score},
        mask=found.mask,
        seen_frame=frame,
        travel_seen=body.travel,
        mask_time_s=time_s,
        first_frame=frame,
        last_frame=frame,
        score_sum=found.score,
    )
