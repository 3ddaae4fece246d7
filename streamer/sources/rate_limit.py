"""A source that gives fewer frames a second than it gets."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.frame import Frame, StreamInfo
from streamer.stages import Source

CAUSE = "max_fps"
"""The cause under which skipped frames are counted."""


class RateLimited:
    """Implements ``stages.Source``: hands on at most ``max_fps`` frames a second, as evenly as the source allows."""

    def __init__(self, source: Source, max_fps: float) -> None:
        if not max_fps > 0:
            raise ValueError(f"max_fps: expected more than 0, got {max_fps:g}")
        self.skipped = 0
        """Frames that were not handed on."""
        self._source = source
        self._interval_s = 1.0 / max_fps

    def open(self) -> StreamInfo:
        return self._source.open()

    def frames(self) -> Iterator[Frame]:
        due: float | None = None
        for frame in self._source.frames():
            at = frame.time_s
            # A jump back of the time stamps starts anew; a tenth of the interval evens out the jitter of the source.
            if due is not None and due - 2 * self._interval_s < at < due - 0.1 * self._interval_s:
                self.skipped += 1
                continue
            # From when it was due, not from when it came: 25 to 10 a second are 10, not 8.
            due = at + self._interval_s if due is None or abs(at - due) > self._interval_s else due + self._interval_s
            yield frame

    def interrupt(self) -> None:
        self._source.interrupt()

    def close(self) -> None:
        self._source.close()
