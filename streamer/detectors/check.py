"""Tries a detector out: what it takes and gives, where it runs, how long it needs."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.stages import Detector, DetectsWanted

USUAL_SIZE = (1280, 720)
"""Width and height in pixels of the picture for a detector that takes any size."""
MASK_COUNTS = (0, 1, 5, 20)
"""Of how many objects masks are measured."""
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of a unit of ``ru_maxrss``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What ``streamer models check`` prints; ``dataclasses.asdict`` makes it a dictionary."""

    name: str
    device: str
    """Where it runs, in words; "unknown" where the detector does not say."""
    input_size: tuple[int, int]
    """Width and height in pixels of the pictures that it was tried on."""
    contract: Mapping[str, str]
    """Names of inputs and outputs, each with dtype and shape; empty where the detector does not say."""
    family: str
    """What an exported file was recognised as; empty elsewhere."""
    labels: int
    """How many classes have a name."""
    warm_up_s: float
    ms_per_frame: float
    """Median of ``frames`` calls after the warm-up."""
    frames: int
    ms_by_masks: Mapping[int, float]
    """Milliseconds of a frame with the masks of so many objects, 0 for boxes alone; as many as it found in the picture. Empty
    where masks are no work of their own."""
    peak_memory_bytes: int
    """The most that this process has held at once so far, the loading of the detector included."""


def check(
    detector: Detector, *, frames: int = 5, patience_s: float = 30.0, clock: Callable[[], float] = time.perf_counter
) -> CheckReport:
    """Warm the detector up, call it ``frames`` times on a noisy picture, and report. Raises what the detector raises.

    No further call is begun once they have taken ``patience_s`` seconds: a large model on a CPU needs half a minute for each.
    """
    if frames < 1:
        raise ValueError(f"frames must be at least 1, got {frames}")
    start = clock()
    detector.warm_up()
    warm_up_s = clock() - start
    width, height = detector.input_size or USUAL_SIZE
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    seconds = _seconds(lambda: detector.detect(picture), frames, patience_s, clock)
    by_masks = _by_masks(detector, picture, frames, patience_s, clock) if isinstance(detector, DetectsWanted) else {}
    return CheckReport(
        name=detector.name,
        device=str(getattr(detector, "device", "unknown")),
        input_size=(width, height),
        contract=dict(getattr(detector, "contract", {})),
        family=str(getattr(detector, "family", "")),
        labels=len(detector.labels),
        warm_up_s=warm_up_s,
        ms_per_frame=statistics.median(seconds) * 1000,
        frames=len(seconds),
        ms_by_masks=by_masks,
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT,
    )


def _by_masks(
    detector: DetectsWanted, picture: NDArray[np.uint8], frames: int, patience_s: float, clock: Callable[[], float]
) -> dict[int, float]:
    most = len(detector.detect_wanted(picture, lambda found: np.arange(len(found)), masks=False))

    def with_masks(count: int) -> float:
        def call() -> object:
            return detector.detect_wanted(picture, lambda _found: np.arange(count), masks=count > 0)

        return statistics.median(_seconds(call, frames, patience_s / len(MASK_COUNTS), clock)) * 1000

    return {count: with_masks(count) for count in MASK_COUNTS if count <= most}


def _seconds(call: Callable[[], object], frames: int, patience_s: float, clock: Callable[[], float]) -> list[float]:
    """How long each of ``frames`` calls took; none is begun once they have taken ``patience_s`` together."""
    seconds: list[float] = []
    while len(seconds) < frames and sum(seconds) < patience_s:
        start = clock()
        call()
        seconds.append(clock() - start)
    return seconds
