"""Calling a detector on a frame, and which of its instances are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from streamer.detectors.from_settings import DetectorSettings, score_threshold
from streamer.errors import ConfigError
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.stages import Detector
from streamer.suggest import did_you_mean


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


def class_ids(names: Iterable[str], labels: Mapping[int, str], detector_name: str) -> frozenset[int]:
    """The ids of class names, in any case. Raises ``ConfigError`` with the nearest names for one that is unknown."""
    ids: dict[str, set[int]] = {}
    for class_id, label in labels.items():
        ids.setdefault(label.casefold(), set()).add(class_id)
    found: set[int] = set()
    for name in names:
        if name.casefold() not in ids:
            raise ConfigError(
                f"the detector {detector_name} knows no class {name!r}", hint=did_you_mean(name, sorted(labels.values()))
            )
        found |= ids[name.casefold()]
    return frozenset(found)


def selection(settings: DetectorSettings, detector: Detector) -> Selection:
    """Which instances the settings want. Raises ``ConfigError`` for a class that the detector does not know."""
    return Selection(
        score_threshold=score_threshold(settings),
        class_ids=None if settings.classes is None else class_ids(settings.classes, detector.labels, detector.name),
        max_instances=settings.max_instances,
    )
