"""Moments of the world's clock as text."""

from __future__ import annotations

from datetime import UTC, datetime

_NO_DATE_S = 365 * 86_400.0


def iso_utc(utc_s: float) -> str:
    """Seconds since 1970 as ``2026-01-31T12:00:00.250Z``."""
    return datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_utc(text: str) -> float | None:
    """Seconds since 1970 of a date as media files hold it, in UTC where no zone is named.

    None for what is no date, and for those of 1904 and 1970, which stand for none.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        seconds = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > _NO_DATE_S else None
