"""Which events are asked for: by camera, class, zone and time."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import datetime

from streamer.errors import ConfigError

_AGO = re.compile(r"(\d{1,6})\s*([smhd])", re.ASCII)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """What an event must be; None: anything."""

    camera: str | None = None
    class_name: str | None = None
    """One of its objects was of this class."""
    zone: str | None = None
    """One of its objects was in this zone."""
    since_utc: float | None = None
    """It went on at that time or later, seconds since 1970."""
    until_utc: float | None = None
    """It began at that time or earlier."""
    before_id: str | None = None
    """It began before the event of this id: how a list goes on."""

    def where(self) -> tuple[str, list[object]]:
        """The condition in SQL over the table of events, and its values."""
        conditions: list[str] = []
        values: list[object] = []
        for condition, value in (
            ("camera = ?", self.camera),
            ("EXISTS (SELECT 1 FROM json_each(body, '$.classes') WHERE value = ?)", self.class_name),
            ("EXISTS (SELECT 1 FROM json_each(body, '$.zones') WHERE value = ?)", self.zone),
            ("(end_utc IS NULL OR end_utc >= ?)", self.since_utc),
            ("start_utc <= ?", self.until_utc),
            ("id < ?", self.before_id),
        ):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        return " AND ".join(conditions) or "1", values


def parse_moment(text: str) -> float:
    """Seconds since 1970 from ``2026-01-31``, ``2026-01-31T12:00`` (local time, or with an offset or ``Z``) or ``24h`` ago.

    Raises ``ConfigError``.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return time.time() - int(ago[1]) * _SECONDS[ago[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigError(
            f"{text!r} is no time", hint="write it as 2026-01-31, 2026-01-31T12:00 or 24h (that long ago; s, m, h, d)"
        ) from error
