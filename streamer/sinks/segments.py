"""A recording without end, in files that each play on their own."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from streamer.errors import ConfigError
from streamer.frame import StreamInfo
from streamer.redact import redact
from streamer.runtime.backoff import Backoff
from streamer.sinks.disk import usable, why
from streamer.sinks.live_encoder import TIME_BASE, LiveEncoder
from streamer.sinks.mp4_file import Mp4File
from streamer.sinks.retention import Retention, file_stem, segment_name
from streamer.stages import Annotated, OutputStatus, State

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_LONGEST_PAUSE_S = 6 * 3600
"""An MP4 file holds no picture that lasts longer than 13 hours at 90,000 ticks a second."""
_MAX_RETRY_S = 30.0
_PROOF_S = 1
_GB = 1e9


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Segments:
    """Implements ``stages.Sink``; to be used within :class:`~streamer.sinks.queued.Queued`. A full disk does not end it.

    Writes ``folder/name-20260131T120000Z.mp4`` and so on, named by the UTC time of their first picture, each starting with
    a key frame at time 0; ``name`` defaults to the source's. While it is written, a file is a fragmented MP4 that holds all
    but the last half second should the process be killed; closed, it is a plain MP4 that any player seeks in.

    Finished files of this very name are removed once they ended ``keep_hours`` ago, or, oldest first, while all of them
    hold more than ``keep_gb`` (1e9 bytes each); the current one never. When writing fails the file is closed as far as it
    got, and a new one is tried after ``retry_s``, then more seldom; frames that come meanwhile are dropped and counted. A
    folder that was removed is made again, and recording goes on in it.

    Has an encoder of its own. Raises ``OutputRefused`` when the folder cannot be made or written to, ``ConfigError`` for
    limits that make no sense, ``EncoderUnavailable``.
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
        rng: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], datetime] = _utc_now,
    ) -> None:
        for setting, value in (("segment", segment_s), ("keep-hours", keep_hours), ("keep-gb", keep_gb), ("retry", retry_s)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{setting}: expected a number above 0, got {value:g}")
        self.folder = Path(folder)
        self.stem = file_stem(redact(name or info.source))
        self.name = f"record {self.folder}"
        self._segment_s = segment_s
        self._clock, self._utc, self._rng = clock, utc, rng
        self._backoff = Backoff(initial_s=retry_s, max_s=max(retry_s, _MAX_RETRY_S))
        usable(self.folder)
        self._encoder = LiveEncoder(info, crf=21)
        self._segment: Mp4File | None = None
        self._last_pts: int | None = None
        self._retry_at = self._look_at = -math.inf
        self._away_since: float | None = None
        self._state, self._error = State.STARTING, ""
        self._frames = self._bytes = self._dropped = 0
        self._current: Path | None = None
        """The file that is written, or is about to be made."""
        self._retention: Retention | None = None
        if keep_hours is not None or keep_gb is not None:
            self._retention = Retention(
                self.folder,
                self.stem,
                segment_s=segment_s,
                keep_hours=keep_hours,
                keep_bytes=None if keep_gb is None else keep_gb * _GB,
                current=lambda: self._current,
                utc=utc,
            )
            self._retention.start()

    def write(self, item: Annotated) -> None:
        """Record the next picture."""
        now = self._clock()
        pts = round(item.frame.pts * item.frame.time_base / TIME_BASE)
        if self._last_pts is not None and pts <= self._last_pts:
            pts = self._last_pts + 1
        if now < self._retry_at:
            self._dropped += 1
            return
        try:
            if self._segment is not None and self._is_due(self._segment, pts):
                self._end_segment()
            if self._segment is not None and now >= self._look_at:
                self._look(self._segment, now)
            new = self._segment is None
            if self._segment is None:
                self._segment = self._begin_segment(item, pts)
            self._last_pts = pts
            picture = item.drawn()
            for packet in self._encoder.encode(picture, item.frame.orientation, pts, key=new):
                before = self._segment.bytes
                self._segment.write(packet, pts)
                self._bytes += self._segment.bytes - before
        except OSError as error:
            self._dropped += 1
            self._failed(error)
        else:
            self._frames += 1
            # A full disk takes a head before it refuses: after a failure, a second on disk counts as success.
            if self._state != State.RECONNECTING or (pts - self._segment.first_pts) * TIME_BASE > _PROOF_S:
                self._away_since = None
                self._say(State.RUNNING, "")

    def status(self) -> OutputStatus:
        """Any thread: how it is doing."""
        return OutputStatus(
            name=self.name,
            state=self._state,
            frames=self._frames,
            bytes=self._bytes,
            dropped=self._dropped,
            error=self._error,
        )

    def finish(self) -> None:
        """Complete the last segment."""
        try:
            self._end_segment()
        except OSError as error:
            self._failed(error)
        self._say(State.ENDED, self._error)
        if self._retention is not None:
            self._retention.close()

    def abandon(self) -> None:
        """The same: what was recorded is true and stays."""
        self.finish()

    def _is_due(self, segment: Mp4File, pts: int) -> bool:
        """Whether a picture at ``pts`` begins the next file."""
        pause = 0 if self._last_pts is None else pts - self._last_pts
        return (pts - segment.first_pts) * TIME_BASE >= self._segment_s or pause * TIME_BASE > _LONGEST_PAUSE_S

    def _path(self, start: datetime, again: int) -> Path:
        """The file for what begins at ``start``; ``again`` counts those whose names were taken."""
        return self.folder / segment_name(self.stem, start, again)

    def _begin_segment(self, item: Annotated, pts: int) -> Mp4File:
        utc_s = item.frame.utc_s
        start = self._utc() if utc_s is None else datetime.fromtimestamp(utc_s, UTC)
        self.folder.mkdir(parents=True, exist_ok=True)
        again = 0
        while True:
            path = self._current = self._path(start, again)
            try:
                return Mp4File(path, self._encoder.width, self._encoder.height, pts)
            except FileExistsError:  # the clock was set back, or we were started twice in a second
                again += 1

    def _end_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.close()
            finally:
                self._let_go()

    def _look(self, segment: Mp4File, now: float) -> None:
        """Notice a file that was removed while it is written: the system says nothing, and goes on writing to nowhere."""
        self._look_at = now + _LOOK_S
        if segment.removed():
            log.warning("%s: %s was removed; recording goes on in a new file", self.name, segment.path.name, extra=self._extra)
            self._segment = None
            segment.give_up()
            self._let_go()

    def _let_go(self) -> None:
        self._current = None
        if self._retention is not None:
            self._retention.wake()

    def _failed(self, error: OSError) -> None:
        now = self._clock()
        if self._away_since is None:
            self._away_since = now
        self._retry_at = now + self._backoff.delay_s(now - self._away_since, self._rng)
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.give_up()
        self._let_go()
        self._say(State.RECONNECTING, why(error))

    @property
    def _extra(self) -> dict[str, str]:
        return {"output": self.name, "state": self._state}

    def _say(self, state: State, error: str) -> None:
        """One line for each change, none for what has been said."""
        if (state, error) == (self._state, self._error):
            return
        self._state, self._error = state, error
        retrying = ", trying again" if state == State.RECONNECTING else ""
        log.log(
            logging.WARNING if error else logging.INFO,
            "%s: %s%s%s",
            self.name,
            state,
            f", {error}" if error else "",
            retrying,
            extra=self._extra,
        )
