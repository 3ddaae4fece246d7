"""Calling a detector on frames: the picture that it wants in, instances in the displayed picture's pixels out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from streamer.errors import ConfigError
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.stages import Annotated, Detector


def detect_in(detector: Detector, frame: Frame) -> Instances:
    """Run ``detector`` on ``frame``, handing over no more pixels than it can use; boxes in pixels of the displayed picture."""
    width, height = frame.width, frame.height
    if detector.input_size is None:
        return detector.detect(frame.rgb())
    size = min(width, detector.input_size[0]), min(height, detector.input_size[1])
    found = detector.detect(frame.rgb(size))
    return found if size == (width, height) else found.scaled(width / size[0], height / size[1])


@dataclass(frozen=True, slots=True)
class Selection:
    """Which instances are wanted."""

    score_threshold: float = 0.0
    """Least score, 0..1."""
    class_ids: frozenset[int] | None = None
    """Wanted classes; None for all."""
    max_instances: int | None = None
    """At most so many, best scores first; None for all."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.score_threshold <= 1.0:
            raise ConfigError(f"the score threshold must be within 0..1, got {self.score_threshold:g}", hint="0.5 is usual")
        if self.max_instances is not None and self.max_instances < 1:
            raise ConfigError(f"the number of instances must be at least 1, got {self.max_instances}")

    def __call__(self, found: Instances) -> Instances:
        """The wanted rows, in their order."""
        wanted = found.scores >= self.score_threshold
        if self.class_ids is not None:
            wanted &= np.isin(found.class_ids, list(self.class_ids))
        rows = np.flatnonzero(wanted)
        if self.max_instances is not None and len(rows) > self.max_instances:
            best = np.argsort(-found.scores[rows], kind="stable")[: self.max_instances]
            rows = rows[np.sort(best)]
        return found if len(rows) == len(found) else found[rows]


class EveryFrame:
    """Perception of recordings: calls the detector on every frame and waits for it."""

    def __init__(self, detector: Detector, select: Selection) -> None:
        self._detector = detector
        self._select = select

    def push(self, frame: Frame) -> Collection[Annotated]:
        """Annotate this frame now."""
        return (Annotated(frame, self._select(detect_in(self._detector, frame))),)

    def finish(self) -> Iterable[Annotated]:
        """Nothing was held back."""
        return ()

    def close(self) -> None:
        """Close the detector."""
        self._detector.close()
