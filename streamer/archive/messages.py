"""What the processes of an archive tell the one that hands out the work."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.errors import StreamerError


@dataclass(frozen=True, slots=True)
class Ready:
    """The detector is loaded: recordings can come."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """The detector cannot be used for any recording."""

    error: StreamerError


@dataclass(frozen=True, slots=True)
class Came:
    """How far the recording has come."""

    frames: int
    of: int | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The recording is annotated."""

    frames: int
    files: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The recording cannot be annotated."""

    reason: str
