"""What depends on the user: thresholds and times of following. Constants of one method stand beside it, with their reason."""

from __future__ import annotations

from dataclasses import dataclass

MAX_GAP_S = 2.0
"""After a longer pause between two frames nothing can be followed over it, seconds of video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowSettings:
    """When tracks start, stay and end. Times are seconds of video, scores 0..1.

    Raises ``ValueError`` naming what was expected.
    """

    start_score: float = 0.4
    """A detection this good starts a track, which is shown at once. It is the user's score threshold, but for
    ``wanted_score``."""
    wanted_score: float | None = None
    """The user's score threshold where tracks start below it, since not only what the user wants to see is followed."""
    keep_score: float = 0.2
    """A detection this good extends a track but starts none (the idea of ByteTrack)."""
    hide_below: float = 0.6
    """A steady object whose smoothed score falls below this share of ``start_score`` is not shown ..."""
    steady_hits: int = 11
    """... which takes so many detections. The share falls to it from 1 with the first: a new object has to stay confident."""
    return_above: float = 0.8
    """What was hidden for its score returns from this share on. Were both the same, objects near to it would blink."""
    patience_s: float = 0.09
    """How long an object stays visible that is not detected any more: three frames of a camera of 30 a second. Not longer:
    *measured* with the built-in detector on people, four of five boxes shown after that are wrong."""
    lost_s: float = 5.0
    """How long after its last detection a track can be found again under the same id."""
    max_history: int = 40
    """Most frames, from the one that the detector works on to now, whose flow is kept; beyond, steps are merged."""

    @classmethod
    def shown_from(cls, score_threshold: float, wanted_score: float | None = None) -> FollowSettings:
        """For a user who wants to see what scores at least ``score_threshold``; the detector should give half as much.

        With a ``wanted_score`` that is what the user wants to see, and what scores ``score_threshold`` is followed, too.
        """
        return cls(start_score=score_threshold, keep_score=0.5 * score_threshold, wanted_score=wanted_score)

    def __post_init__(self) -> None:
        if not 0.0 <= self.keep_score <= self.start_score <= 1.0:
            raise ValueError(f"expected 0 <= keep_score <= start_score <= 1, got {self.keep_score} and {self.start_score}")
        if self.wanted_score is not None and not self.start_score <= self.wanted_score <= 1.0:
            raise ValueError(f"wanted_score: expected {self.start_score}..1, got {self.wanted_score}")
        for name in ("patience_s", "lost_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected seconds >= 0, got {getattr(self, name)}")
        if self.max_history < 4:
            raise ValueError(f"max_history: expected at least 4, got {self.max_history}")
