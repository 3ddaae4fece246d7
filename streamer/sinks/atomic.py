"""Output files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path


def check_output(path: str | Path, *, source: str | Path | None = None, overwrite: bool = False) -> None:
    """Refuse what may not be written, before anything is read. Raises ``OutputRefused``."""
