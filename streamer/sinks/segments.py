"""A recording without end, in files that each play on their own."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import math
import os
import random
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import av

from streamer.errors import ConfigError, OutputRefused
from streamer.frame import StreamInfo
from streamer.redact import redact
from streamer.sinks.live_encoder import TIME_BASE, LiveEncoder
from streamer.sinks.retention import Retention, file_stem, segment_name
from streamer.sources.backoff import Backoff
from streamer.stages import Annotated, OutputStatus, State

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from Python 3.12 on

log = logging.getLogger(__name__)

_FRAGMENT_US = 500_000
_LOOK_S = 1.0
_MAX_RETRY_S = 30.0
_PROOF_S = 1
_GB = 1e9

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.ENOENT: "the folder is gone",
    errno.EFBIG: "the file would be too large",
    errno.EEXIST: "a file is in the place of the folder",
    errno.ENOTDIR: "a file is in the place of the folder",
}


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
        _usable(self.folder)
        self._encoder = LiveEncoder(info, crf=21)
        self._segment: _Segment | None = None
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
            if self._segment is not None and (pts - self._segment.first_pts) * TIME_BASE >= self._segment_s:
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

    def _begin_segment(self, item: Annotated, pts: int) -> _Segment:
        utc_s = item.frame.utc_s
        start = self._utc() if utc_s is None else datetime.fromtimestamp(utc_s, UTC)
        self.folder.mkdir(parents=True, exist_ok=True)
        again = 0
        while True:
            path = self._current = self.folder / segment_name(self.stem, start, again)
            try:
                return _Segment(path, self._encoder.width, self._encoder.height, pts)
            except FileExistsError:  # the clock was set back, or we were started twice in a second
                again += 1

    def _end_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.close()
            finally:
                self._let_go()

    def _look(self, segment: _Segment, now: float) -> None:
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
        self._say(State.RECONNECTING, _REASONS.get(error.errno or 0, " ".join(str(error).split())))

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


class _Segment:
    """One file, from its first picture to its last. Raises ``OSError``."""

    def __init__(self, path: Path, width: int, height: int, first_pts: int) -> None:
        self.path = path
        self.first_pts = first_pts
        # A Python file: FFmpeg's own would keep the interpreter from running while a slow disk opens or closes it.
        self._file = _Counted(path)
        self._container = av.open(
            self._file,
            "w",
            format="mp4",
            options={
                "movflags": "hybrid_fragmented+default_base_moof",
                "frag_duration": str(_FRAGMENT_US),
                "flush_packets": "1",
                "video_track_timescale": str(TIME_BASE.denominator),
            },
        )
        self._stream = self._container.add_mux_stream("h264", width=width, height=height)
        self._stream.time_base = TIME_BASE

    @property
    def bytes(self) -> int:
        """How large the file is."""
        return self._file.written

    def write(self, packet: av.Packet[av.VideoStream], pts: int) -> None:
        packet.pts = packet.dts = pts - self.first_pts
        packet.time_base = TIME_BASE
        packet.stream = self._stream  # type: ignore[assignment]  # a packet may go to a stream of the muxer; the stub says video only
        try:
            self._container.mux_one(packet)
        except av.error.FFmpegError as error:
            raise self._reason(error) from error

    def removed(self) -> bool:
        """Whether its name is gone: what is written to it is lost once it is closed."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def close(self) -> None:
        """Make a plain MP4 of it."""
        try:
            self._container.close()
            os.fsync(self._file.fileno())
        except (av.error.FFmpegError, OSError) as error:
            self.give_up()
            raise self._reason(error) from error
        self._file.close()

    def give_up(self) -> None:
        """Leave what can be played, or nothing."""
        with contextlib.suppress(OSError, av.error.FFmpegError):  # that writing fails is known
            self._container.close()
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            _trim(self.path)

    def _reason(self, error: BaseException) -> OSError:
        """What the file said, which FFmpeg forgets at times."""
        return self._file.failure or (error if isinstance(error, OSError) else OSError(str(error)))


class _Counted(io.FileIO):
    """A file that must not exist before, knows how much was written to it, and stays as it is once a write has failed.

    Else FFmpeg would go on after the failure, and overwrite the head that makes the fragments playable.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "xb")
        self.written = 0
        self.failure: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        if self.failure is not None:
            raise self.failure
        view = memoryview(data)
        done = 0
        try:
            while done < len(view):  # a nearly full disk takes a part before it refuses
                done += self._put(view[done:])
        except OSError as error:
            self.failure = error
            raise
        finally:
            self.written += done
        return done

    def _put(self, data: memoryview) -> int:
        return super().write(data) or 0


def _trim(path: Path) -> None:
    """Cut a fragmented MP4 behind its last whole fragment; remove it when there is none."""
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        at = whole = 0
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack("!I4s", file.read(8))
            at += max(length, 8)
            if kind == b"mdat" and at <= size:
                whole = at
        file.truncate(whole)
    if not whole:
        path.unlink()


def _usable(folder: Path) -> None:
    """Make the folder. Raises ``OutputRefused`` where nothing can be written."""
    hint = "choose a folder that can be written to"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputRefused(f"cannot record into {folder}: {error.strerror}", hint=hint) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputRefused(f"cannot record into {folder}: no permission to write there", hint=hint)
