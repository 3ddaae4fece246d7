"""A recording without end, in files that each play on their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from streamer.camera_status import OutputStatus
from streamer.frame import StreamInfo
from streamer.stages import Annotated


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Segments:
    """Implements ``stages.Sink``; to be used within :class:`~streamer.sinks.queued.Queued`. A full disk does not end it.

    Writes ``folder/name-20260131T120000Z.mp4`` and so on; ``name`` defaults to the source's. Raises ``OutputRefused``
    when the folder cannot be made or written to, ``ConfigError`` for limits that make no sense.
    """

    def __init__(
        self,
        folder: str | Path,
        info: StreamInfo,
        *,
        name: str | None = None,
        segment_s: float = 60.0,
        keep_hours: float | None = None,
        keep_gb: float | None = None,
        retry_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], datetime] = _utc_now,
    ) -> None:
        raise NotImplementedError

    def write(self, item: Annotated) -> None:
        """Record the next picture."""

    def status(self) -> OutputStatus:
        """Any thread: how it is doing."""
        raise NotImplementedError

    def finish(self) -> None:
        """Complete the last segment."""

    def abandon(self) -> None:
        """The same: what was recorded is true and stays."""
