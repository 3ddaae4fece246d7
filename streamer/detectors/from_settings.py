"""The detector that the settings name, with their score threshold and threads."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from streamer.stages import Detector

DEFAULT_SCORE = {"people": 0.4}
"""Least score by detector where the user names none; 0.5 for all others."""

_MOST_COPIES = 8


class DetectorSettings(Protocol):
    """The settings that choose a detector and its detections; of recordings and of live streams alike."""

    @property
    def detector(self) -> str: ...
    @property
    def labels(self) -> Path | None: ...
    @property
    def threads(self) -> int | None: ...
    @property
    def score_threshold(self) -> float | None: ...
    @property
    def classes(self) -> Collection[str] | None: ...
    @property
    def max_instances(self) -> int | None: ...


def load(settings: DetectorSettings, *, threads: int | None = None, doubtful: bool = False) -> Detector:
    """The detector that the settings name; ``threads`` instead of theirs when given.

    ``doubtful``: with half the least score, since doubtful detections extend the tracks of what is followed.
    """
    from streamer.detectors.registry import load_detector

    return load_detector(
        settings.detector,
        score_threshold=score_threshold(settings) / (2 if doubtful else 1),
        threads=threads or settings.threads,
        labels_path=settings.labels,
    )


def load_copies(settings: DetectorSettings) -> list[Detector]:
    """As many copies of the detector as can work side by side on a recording.

    For the small built-in networks one single thread for each core beats several threads in each; every other detector
    comes alone, since it uses all cores itself.
    """
    if settings.detector != "people":
        return [load(settings)]
    return [load(settings, threads=1) for _ in range(settings.threads or min(os.cpu_count() or 1, _MOST_COPIES))]


def score_threshold(settings: DetectorSettings) -> float:
    """The least score that the user wants, or the detector's usual one."""
    return DEFAULT_SCORE.get(settings.detector, 0.5) if settings.score_threshold is None else settings.score_threshold
