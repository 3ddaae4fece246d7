"""The detector that the settings name, with their score threshold and threads."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from streamer.detectors.remote.address import is_remote
from streamer.stages import Detector

DEFAULT_SCORE = {"nanodet": 0.4, "nanodet:large": 0.4}
"""Least score by detector where the user names none; 0.5 for all others."""

COVERED_SCORE = 0.2
"""Least score of an object that is covered: an object too many costs less than one that is seen."""

_MOST_COPIES = 8
ASKED_AT_ONCE = 2
"""Pictures that are with a server at the same time: while it works on one, the next one travels."""


class DetectorSettings(Protocol):
    """The settings that choose a detector."""

    @property
    def detector(self) -> str: ...
    @property
    def labels(self) -> Path | None: ...
    @property
    def threads(self) -> int | None: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...


class SelectionSettings(Protocol):
    """The settings that choose which of its detections are wanted; of a recording or of one of many cameras."""

    @property
    def score_threshold(self) -> float | None: ...
    @property
    def classes(self) -> Collection[str] | None: ...
    @property
    def max_instances(self) -> int | None: ...
    @property
    def needs_masks(self) -> bool: ...
    @property
    def privacy(self) -> Mapping[str, str]: ...


def load(
    settings: DetectorSettings,
    least_score: float,
    *,
    threads: int | None = None,
    device: str | None = None,
    live: bool = False,
) -> Detector:
    """The detector that the settings name, which gives what scores ``least_score`` (0..1).

    ``threads`` and ``device`` are in place of theirs. ``live``: for cameras, whose pictures do not wait.

    Raises as :func:`streamer.detectors.registry.load_detector`.
    """
    from streamer.detectors.registry import load_detector

    return load_detector(
        settings.detector,
        score_threshold=least_score,
        threads=threads or settings.threads,
        labels_path=settings.labels,
        device=device or settings.device,
        precision=settings.precision,
        live=live,
    )


def load_copies(
    settings: DetectorSettings, least_score: float, *, device: str | None = None, alone: bool = False
) -> list[Detector]:
    """As many copies of the detector as can work side by side on a recording; ``alone``: one. ``device`` in place of theirs.

    For the small built-in networks one single thread for each core beats several threads in each. A server is asked by two:
    while it works on one picture, the next one travels. Every other detector comes alone, since it uses all cores itself.
    """
    if is_remote(settings.detector) and not alone:
        return [load(settings, least_score) for _ in range(ASKED_AT_ONCE)]
    if settings.detector not in DEFAULT_SCORE or alone:
        return [load(settings, least_score, device=device)]
    copies = settings.threads or min(os.cpu_count() or 1, _MOST_COPIES)
    return [load(settings, least_score, threads=1) for _ in range(copies)]


def threads_each(workers: int) -> int:
    """How many threads each of so many processes should use."""
    return max(1, (os.cpu_count() or 1) // workers)


def score_threshold(settings: SelectionSettings, detector: str) -> float:
    """The least score, 0..1, of what is shown: the settings', or the usual one of the detector of that name."""
    return DEFAULT_SCORE.get(detector, 0.5) if settings.score_threshold is None else settings.score_threshold


def least_score(settings: SelectionSettings, detector: str, *, tracked: bool) -> float:
    """The least score, 0..1, that the detector is to give: doubtful detections extend the tracks of what is followed."""
    return found_score(settings, detector) / (2 if tracked else 1)


def found_score(settings: SelectionSettings, detector: str) -> float:
    """The least score, 0..1, of what is looked for: lower than that of what is shown where something is to be covered."""
    shown = score_threshold(settings, detector)
    return min(shown, COVERED_SCORE) if settings.privacy else shown
