"""Moments of the world's clock as text."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_utc(utc_s: float) -> str:
    """Seconds since 1970 as ``2026-01-31T12:00:00.250Z``."""
    return datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
