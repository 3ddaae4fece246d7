"""How a live source is doing: its state, since when, and what it has counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from streamer.stages import State


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """The news that ``on_state`` is called with."""

    source: str
    """Name of the source, without credentials."""
    state: State
    previous: State
    at_s: float
    """Monotonic seconds."""
    utc_s: float
    """Seconds since 1970."""
    reason: str = ""
    """Why, in words without credentials; empty when all is well."""


@dataclass(slots=True)
class SourceStats:
    """What a live source has counted since it was made. One thread adds; any thread may read."""

    frames: int = 0
    """Frames that were taken over from the decoder, damaged ones included."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Frames that were not handed on, by cause: ``queue_full`` (the taker was slow; not among ``frames``), ``damaged``."""
    damaged_frames: int = 0
    """Frames in which the decoder concealed errors."""
    undecodable_packets: int = 0
    """Packets that the decoder refused."""
    reconnects: int = 0
    """Times that frames came again after they had stopped."""
    attempts: int = 0
    """Attempts to connect again, the vain ones included."""
    stalls: int = 0
    """Times that it fell silent without a word."""
    last_frame_at: float | None = None
    """Monotonic seconds when the newest frame was decoded; None before the first."""
