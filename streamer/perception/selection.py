"""Calling a detector on a frame, and which of its instances are wanted."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.from_settings import SelectionSettings, score_threshold
from streamer.errors import ConfigError
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.stages import Detector, DetectsSelected, DetectsWanted
from streamer.suggest import did_you_mean

log = logging.getLogger(__name__)

_told: set[str] = set()
"""Names of the detectors of which a warning has said that they give objects which mean nothing."""


def detect_in(detector: Detector, frame: Frame, wanted: Selection | None = None) -> Instances:
    """Run ``detector`` on ``frame``, handing over no more pixels than it can use; boxes in pixels of the displayed picture.

    A detector that can spares itself the masks of what is not ``wanted``; others give all that they find. What a detector gives
    is made sane here, see :meth:`Instances.usable`: what is left out is said once for each detector.
    """
    width, height = frame.width, frame.height
    size = width, height
    if detector.input_size is not None:
        size = min(width, detector.input_size[0]), min(height, detector.input_size[1])
    picture = frame.rgb(size)
    given = detected(detector, picture, wanted)
    found = given.usable(*size)
    if found is not given and detector.name not in _told:
        _tell(detector.name, given, found)
    if size == (width, height):
        return found
    # Rounding may carry a box on the limit a hair beyond it.
    return found.scaled(width / size[0], height / size[1]).usable(width, height)


def detected(detector: Detector, picture: NDArray[np.uint8], wanted: Selection | None = None) -> Instances:
    """What ``detector`` finds in an RGB picture, uint8 (height, width, 3), as it says it; see :func:`detect_in`."""
    if wanted is None:
        return detector.detect(picture)
    if isinstance(detector, DetectsSelected):
        return detector.detect_selected(
            picture,
            score_threshold=wanted.score_threshold,
            class_ids=wanted.class_ids,
            max_instances=wanted.max_instances,
            masks=wanted.masks,
        )
    if isinstance(detector, DetectsWanted):
        return detector.detect_wanted(picture, wanted.rows, masks=wanted.masks)
    return detector.detect(picture)


def _tell(name: str, given: Instances, found: Instances) -> None:
    objects = len(given) - len(found)
    if objects == 0 and (given.masks is None or np.isfinite(given.masks[given.has_mask]).all()):
        return  # numbers were brought into their range, nothing was left out
    _told.add(name)
    if objects:
        what = f"{objects} of {len(given)} objects: their boxes or scores are no numbers, or they lie outside the picture"
    else:
        what = "masks that hold something else than numbers; the boxes stay"
    log.warning("the detector %s: left out %s (said once)", name, what)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which instances are wanted."""

    score_threshold: float = 0.0
    """Least score, 0..1."""
    class_ids: frozenset[int] | None = None
    """Wanted classes; None for all."""
    max_instances: int | None = None
    """At most so many, best scores first; None for all."""
    masks: bool = True
    """Whether anybody looks at masks."""
    wanted_score: float | None = None
    """Least score of what is shown, where more is looked for than that; None: ``score_threshold``."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.score_threshold <= 1.0:
            raise ConfigError(f"the score threshold must be within 0..1, got {self.score_threshold:g}", hint="0.5 is usual")
        if self.max_instances is not None and self.max_instances < 1:
            raise ConfigError(f"the number of instances must be at least 1, got {self.max_instances}")

    def __call__(self, found: Instances) -> Instances:
        """The wanted instances, in their order."""
        rows = self.rows(found)
        return found if len(rows) == len(found) else found[rows]

    def rows(self, found: Instances) -> NDArray[np.intp]:
        """Which rows are wanted, in their order."""
        # What is no number is not below the threshold: it is somebody else's business, see `detect_in`.
        wanted = ~(found.scores < self.score_threshold)
        if self.class_ids is not None:
            wanted &= np.isin(found.class_ids, list(self.class_ids))
        rows = np.flatnonzero(wanted)
        if self.max_instances is not None and len(rows) > self.max_instances:
            best = np.argsort(-found.scores[rows], kind="stable")[: self.max_instances]
            rows = rows[np.sort(best)]
        return rows

    @property
    def to_follow(self) -> Selection:
        """What a follower is to be given: doubtful detections too."""
        return replace(self, score_threshold=0.0, max_instances=None)


ALL_CLASSES = "all"
"""Among the names of wanted classes: every class."""


def class_ids(names: Iterable[str], labels: Mapping[int, str], detector_name: str) -> frozenset[int] | None:
    """The ids of class names, in any case; None where they are all wanted.

    Raises ``ConfigError`` with the nearest names for one that is unknown.
    """
    names = list(names)
    if ALL_CLASSES in names:
        return None
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


@runtime_checkable
class Choosy(Protocol):
    """A detector that knows more classes than are worth showing."""

    @property
    def default_classes(self) -> Collection[str]:
        """What is shown where no classes are asked for."""
        ...


def selection(settings: SelectionSettings, detector_name: str, detector: Detector) -> Selection:
    """Which instances the settings want of ``detector``, which they call ``detector_name``.

    Raises ``ConfigError`` for a class that the detector does not know.
    """
    names = detector.default_classes if settings.classes is None and isinstance(detector, Choosy) else settings.classes
    return Selection(
        score_threshold=score_threshold(settings, detector_name),
        class_ids=None if names is None else class_ids(names, detector.labels, detector.name),
        max_instances=settings.max_instances,
        masks=settings.needs_masks,
    )
