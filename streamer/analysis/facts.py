"""What analysis says of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamer.analysis.places import Places

Direction = Literal["in", "out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """An object has crossed a line."""

    line: str
    direction: Direction
    track_id: int
    class_id: int
    time_s: float
    """Stream time at which it crossed, seconds. Told a little later: it may turn back on the line, or be a false detection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An object has entered a zone."""

    zone: str
    track_id: int
    class_id: int
    time_s: float
    """Stream time at which it came in, seconds; told ``enter_after`` later."""
    dwell_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """An object has left a zone, or was last seen in it."""

    zone: str
    track_id: int
    class_id: int
    time_s: float
    """Stream time at which it went out, seconds; told ``leave_after`` later."""
    dwell_s: float
    """Seconds that it was inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFacts:
    """What is known of a scene with one more frame."""

    zones: tuple[tuple[str, ...], ...] = ()
    """For each instance of the frame the names of the zones that it counts as in."""
    crossings: tuple[Crossing, ...] = ()
    """What is told with this frame, as are ``entries`` and ``exits``."""
    entries: tuple[Entry, ...] = ()
    exits: tuple[Exit, ...] = ()
    inside: tuple[int, ...] = ()
    """For each zone of the analysis how many objects are inside now."""
    crossed: tuple[tuple[int, int], ...] = ()
    """For each line of the analysis how many have crossed so far: in, out."""
    places: Places | None = None
    """The zones and lines that this is said of; None where nobody asks for them."""
