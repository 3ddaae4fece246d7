"""The few numbers that following is tuned by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowSettings:
    """How tracks are born, kept and let go. Times are seconds of video, scores 0..1."""

    start_score: float = 0.4
    """A detection this good starts a track that is shown at once. It is the user's score threshold."""
    keep_score: float = 0.2
    """A detection this good extends a track but starts none that is shown (the idea of ByteTrack): a detector's doubt about
    somebody it has just been sure of is no reason to let go."""
    candidate_score: float = 0.28
    """A detection this good starts a track that is kept to itself until more is known."""
    confirm_hits: int = 3
    """A doubtful object that was detected this often, and moves, is real; unless it lies within another: a part."""
    confirm_travel: float = 0.5
    """How far it must have gone against the background, in widths of its box: doubtful things that stand are mostly things."""
    min_sureness: float = 0.5
    """Share of sure detections among the latest that an object which stands needs to be shown on."""
    hide_below: float = 0.65
    """An object whose smoothed score falls below this share of ``start_score`` is not shown."""
    patience_s: float = 0.8
    """How long an object stays visible that detections of the last moments did not find."""
    patience_hits: int = 4
    """It must also have been found this often: what was seen once, and not again, goes after one miss."""
    fade_s: float = 0.3
    """How long it takes to fade out after that."""
    lost_s: float = 5.0
    """How long somebody hidden may stay away and come back under the same id."""
    max_history: int = 40
    """Frames between a picture that the detector works on and now of which the motion is kept one by one; beyond, two
    steps are merged into one, so that the slowest detector takes no more memory."""

    @classmethod
    def shown_from(cls, score_threshold: float) -> FollowSettings:
        """For a user who wants to see what scores at least ``score_threshold``; the detector should give half as much."""
        return cls(start_score=score_threshold, candidate_score=0.7 * score_threshold, keep_score=0.5 * score_threshold)

    def __post_init__(self) -> None:
        if not 0.0 <= self.keep_score <= self.candidate_score <= self.start_score <= 1.0:
            raise ValueError(
                "expected 0 <= keep_score <= candidate_score <= start_score <= 1, got "
                f"{self.keep_score}, {self.candidate_score} and {self.start_score}"
            )
        for name in ("patience_s", "fade_s", "lost_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected seconds >= 0, got {getattr(self, name)}")
        if self.max_history < 4:
            raise ValueError(f"max_history: expected at least 4, got {self.max_history}")
