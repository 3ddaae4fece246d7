"""Which recordings of a folder are ours, and which of those have to go."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_STAMP = "%Y%m%dT%H%M%SZ"
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Recording:
    """One finished file."""

    path: Path
    start: datetime
    """In UTC, from its name."""
    size_bytes: int


def file_stem(name: str) -> str:
    """``name`` as a file name can hold it."""
    return _UNFIT.sub("-", name).strip("-.")[:80] or "camera"


def segment_name(stem: str, start: datetime, again: int = 0) -> str:
    """File name of the segment that starts at ``start``; ``again`` counts those of the same second."""
    return f"{stem}-{start.astimezone(UTC).strftime(_STAMP)}{f'-{again}' if again else ''}.mp4"


def recordings(folder: Path, stem: str) -> list[Recording]:
    """The segments named after ``stem`` in ``folder``, oldest first; whatever else is there is none of our business."""
    pattern = re.compile(rf"{re.escape(stem)}-(\d{{8}}T\d{{6}}Z)(?:-(\d+))?\.mp4")
    found = []
    for path in folder.iterdir():
        named = pattern.fullmatch(path.name)
        if named is None or path.is_symlink():
            continue
        try:
            start = datetime.strptime(named[1], _STAMP).replace(tzinfo=UTC)
            size_bytes = path.stat().st_size
        except (ValueError, FileNotFoundError):  # no date after all; or somebody else was quicker
            continue
        found.append((start, int(named[2] or 0), Recording(path, start, size_bytes)))
    return [recording for _, _, recording in sorted(found, key=lambda entry: entry[:2])]


def to_remove(
    finished: Iterable[Recording],
    *,
    now: datetime,
    segment_s: float,
    keep_hours: float | None,
    keep_bytes: float | None,
    current_bytes: int = 0,
) -> list[Recording]:
    """Of ``finished`` recordings, oldest first, those that end before ``keep_hours`` ago, or that do not fit.

    ``current_bytes`` is the size of the file being written, which counts and stays.
    """
    kept = list(finished)
    gone: list[Recording] = []
    if keep_hours is not None:
        limit = now - timedelta(hours=keep_hours, seconds=segment_s)
        gone = [recording for recording in kept if recording.start < limit]
        kept = [recording for recording in kept if recording.start >= limit]
    if keep_bytes is not None:
        total = current_bytes + sum(recording.size_bytes for recording in kept)
        for recording in kept:
            if total <= keep_bytes:
                break
            gone.append(recording)
            total -= recording.size_bytes
    return gone
