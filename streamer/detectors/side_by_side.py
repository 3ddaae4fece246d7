"""The detectors of one process, or several processes with a detector each."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.detectors.from_settings import DetectorSettings, load_copies
from streamer.stages import Detector


def load_side_by_side(
    settings: DetectorSettings, least_score: float, devices: Sequence[str], *, threads: int, alone: bool = False
) -> list[Detector]:
    """As many as work at the same time: see ``load_copies`` for one device; of several, each in a process of ``threads``."""
    if len(devices) == 1:
        return load_copies(settings, least_score, device=devices[0], alone=alone)
    # Loaded when used: what processes need takes longer to load than a small detector.
    from streamer.detectors.process import load_processes

    return list(load_processes(settings, least_score, devices, threads))
