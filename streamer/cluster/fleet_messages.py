"""What a fleet, its cameras and their processes tell each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.config.live import CameraConfig, ProcessOptions
from streamer.live.status import CameraStatus

READY = "ready"
"""From a camera's process: it will not outlive its parent."""
STOP = "stop"
"""To a camera's process: the outputs shall be completed."""


@dataclass(frozen=True, slots=True)
class Task:
    """A camera to be run."""

    name: str
    camera: CameraConfig
    process: ProcessOptions
    secrets: Sequence[str]
    """What no log may show."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a camera whose source has ended, or that cannot go on."""

    code: int = 0
    reason: str = ""
    status: CameraStatus | None = None
    begun: bool = True
    """Whether it ever ran: otherwise something is missing on that machine."""
