"""A recording: any file or address that FFmpeg reads, from its first frame to its last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from streamer.errors import SourceUnavailable
from streamer.frame import Frame, StreamInfo


class VideoFile:
    """Implements ``stages.Source`` for recordings and still pictures: every frame once, with its exact time."""

    def __init__(
        self,
        path: str | Path,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        threads: int = 0,
        open_timeout_s: float = 10.0,
        read_timeout_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = str(path)
        self.still = False
        """After ``open``: whether it is a picture (jpg, png, webp), not a video."""
        self.damaged_packets = 0
        self.notes: list[str] = []

    @property
    def info(self) -> StreamInfo:
        """What ``open`` returned."""
        raise SourceUnavailable("not open")

    def open(self) -> StreamInfo:
        raise SourceUnavailable("not open")

    def frames(self) -> Iterator[Frame]:
        raise SourceUnavailable("not open")

    def interrupt(self) -> None:
        """From any thread: make ``frames`` end soon."""

    def close(self) -> None:
        """Let go of the file."""
