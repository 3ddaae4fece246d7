"""What was recorded of each camera, as pages show it: the segments of a day, found by their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from streamer.sinks.retention import Recording, file_stem, recording, recordings

MOST_S = 2 * 86_400.0
"""Seconds of footage that are listed at once."""
_LONGEST_S = 86_400.0
"""No segment is longer: one that began so long before what is asked for does not reach into it."""


@dataclass(frozen=True, slots=True)
class FootageCamera:
    """Where the recordings of a camera are that may be seen."""

    folder: Path | None
    """None where there are none, or none that may be seen."""
    why_not: str = ""
    """Why there are none."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One file; its times are seconds since 1970."""

    name: str
    start_utc_s: float
    end_utc_s: float
    size_bytes: int


class FootageLibrary:
    """The recordings of all cameras of a run. Its calls wait for the disk: they are for a thread that may."""

    def __init__(self, cameras: Mapping[str, FootageCamera]) -> None:
        self._cameras = dict(cameras)

    def why_not(self, camera: str) -> str:
        """Why nothing of a camera is to be seen; empty where something may be. Raises ``KeyError``."""
        return self._cameras[camera].why_not

    def segments(self, camera: str, start_utc_s: float, end_utc_s: float) -> list[Segment]:
        """The files that hold something of that time, oldest first. Raises ``KeyError``."""
        segments = _segments(self._recordings(camera, start_utc_s - _LONGEST_S, end_utc_s + _LONGEST_S))
        return [each for each in segments if each.start_utc_s < end_utc_s and each.end_utc_s > start_utc_s]

    def file(self, camera: str, name: str) -> Path | None:
        """The file of that name; None where the camera has none. Raises ``KeyError``."""
        folder = self._cameras[camera].folder
        return None if folder is None else recording(folder, file_stem(camera), name)

    def _recordings(self, camera: str, start_utc_s: float, end_utc_s: float) -> list[Recording]:
        folder = self._cameras[camera].folder
        if folder is None:
            return []
        since, until = (datetime.fromtimestamp(max(0.0, moment), UTC) for moment in (start_utc_s, end_utc_s))
        try:
            return recordings(folder, file_stem(camera), since, until)
        except OSError:  # nothing is recorded yet
            return []


def _segments(found: list[Recording]) -> list[Segment]:
    """When each began and ended. Opening a thousand files to ask them would take seconds: a file was written to last when it
    ended, and never ends after the next one began. Where its time of writing cannot be, the camera's clock is another one, or
    the file was copied: then it ends where the next one begins; of the last one nothing is known then."""
    made = []
    for each, following in pairwise([*found, None]):
        assert each is not None
        start = each.start.timestamp()
        limit = None if following is None else following.start.timestamp()
        try:
            end = each.path.stat().st_mtime
        except OSError:  # removed just now
            continue
        if not start < end <= (start + _LONGEST_S if limit is None else limit):
            end = start + 1.0 if limit is None else limit
        made.append(Segment(each.path.name, start, end, each.size_bytes))
    return made
