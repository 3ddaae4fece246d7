"""What was found: cameras with their profiles."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Profile:
    """One of the streams that a camera offers."""

    name: str
    codec: str
    """As the camera calls it: ``H264``, ``H265``, ``JPEG``."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    fps: float | None
    """The highest rate it is set to, in frames per second; None where the camera does not say."""
    source: str
    """What it is a picture of: recorders and cameras with several lenses have several sources."""
    address: str | None
    """Where it is streamed, without user and password; None where the camera was not asked or does not say."""


@dataclass(frozen=True)
class FoundCamera:
    """A device that answered."""

    name: str
    model: str
    host: str
    service: str
    profiles: tuple[Profile, ...] = ()
    """The largest picture first."""
    problem: str = ""
    """Why there are no profiles or addresses."""
    refused: bool = False
    """Whether user or password were refused."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON; no key is ever left out."""
        return dataclasses.asdict(self)
