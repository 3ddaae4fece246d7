"""Records what a camera sends, packet by packet, in segments."""

from __future__ import annotations

import errno
import glob
import logging
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import av.error

from streamer.errors import OutputRefused
from streamer.recording.preroll import Placed, Preroll
from streamer.recording.segment_file import SegmentFile
from streamer.recording.times import PacketTimes
from streamer.recording.tracks import Tracks
from streamer.runtime.backoff import Backoff
from streamer.sinks.disk import usable, why
from streamer.sinks.retention import Retention, file_stem, segment_name
from streamer.sources.live_timestamps import TIME_BASE
from streamer.sources.packets import CameraPacket, CameraStreams
from streamer.stages import OutputStatus, State

log = logging.getLogger(__name__)

RecordMode = Literal["continuous", "events"]

QUEUE_BYTES = 64 * 2**20
"""Packets that may wait for a slow disk: two minutes of a 4 Mbit/s camera."""
PREROLL_BYTES = 64 * 2**20
_WRITE_S = 0.5
"""Packets are written in bunches: waking a thread for each costs more than writing it."""
_MAX_RETRY_S = 30.0
_LOOK_S = 1.0
_FINISH_S = 1.4
_MOST_DRIFT_S = 0.5
_MOST_LATE_S = 5.0
_GB = 1e9


class PacketRecorder:
    """Implements ``PacketTap``: writes what it is handed into ``folder/name-20260131T120000Z.mp4`` and so on, from a thread of
    its own.

    Files begin with a key frame and are named by the UTC time of it. Each packet is in one of them, once, in order: a file ends
    where the next one begins. A new connection, size or codec begins a file. Sound that MP4 cannot hold makes it a ``.mov``.
    Old files are removed as :class:`~streamer.sinks.segments.Segments` does it; where the disk is full, the oldest ones make
    room at once.

    With ``mode="events"`` packets wait in memory (``preroll_s`` seconds and the pictures since the key frame before) and are
    written only between :meth:`hold` and :meth:`release`.

    Raises ``OutputRefused`` when the folder cannot be made or written to.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        segment_s: float = 60.0,
        keep_hours: float | None = None,
        keep_gb: float | None = None,
        mode: RecordMode = "continuous",
        preroll_s: float = 5.0,
        queue_bytes: int = QUEUE_BYTES,
        retry_s: float = 5.0,
        rng: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.stem = file_stem(name)
        self.name = f"record {folder / self.stem}"
        self._segment_s = segment_s
        self._mode: RecordMode = mode
        self._queue_bytes = queue_bytes
        self._clock, self._utc, self._rng = clock, utc, rng
        self._backoff = Backoff(initial_s=retry_s, max_s=max(retry_s, _MAX_RETRY_S))
        usable(folder)
        for left in folder.glob(f".{glob.escape(self.stem)}-*.begun.*"):
            left.unlink(missing_ok=True)  # of a process that was killed before there was anything to play
        self._lock = threading.Lock()
        self._queue: deque[CameraPacket | CameraStreams] = deque()
        self._queued_bytes = 0
        self._overflowing = False
        self._awake, self._finishing = threading.Event(), False
        # What follows belongs to the writing thread.
        self._streams: CameraStreams | None = None
        self._times: PacketTimes | None = None
        self._tracks: Tracks | None = None
        self._segment: SegmentFile | None = None
        self._current: Path | None = None
        self._anchor: tuple[int, float] | None = None
        """Tick and UTC of a picture of this connection."""
        self._look_at = -math.inf
        self._retry_at = -math.inf
        self._away_since: float | None = None
        self._preroll = Preroll(preroll_s, PREROLL_BYTES)
        self._wanted_from: float | None = None
        self._wanted_until = math.inf
        self._told: set[str] = set()
        self._state, self._error = State.STARTING, ""
        self._frames = self._bytes = self._dropped = 0
        self.recorded_until_utc_s: float | None = None
        """When the newest video packet on its way to the disk was captured."""
        self._retention = Retention(
            folder,
            self.stem,
            segment_s=segment_s,
            keep_hours=keep_hours,
            keep_bytes=None if keep_gb is None else keep_gb * _GB,
            current=lambda: self._current,
            utc=lambda: datetime.fromtimestamp(utc(), UTC),
            of_events=mode == "events",
        )
        if keep_hours is not None or keep_gb is not None:
            self._retention.start()
        self._thread = threading.Thread(target=self._work, name=f"record-{self.stem}", daemon=True)
        self._thread.start()

    # From the connection's thread.

    def begin(self, streams: CameraStreams) -> None:
        """A new connection."""
        with self._lock:
            self._overflowing = False
            self._queue.append(streams)

    def take(self, packet: CameraPacket) -> None:
        """Queue a packet. Where too many wait, those up to the next key frame are lost and counted."""
        with self._lock:
            full = self._queued_bytes + len(packet.data) > self._queue_bytes
            if full or (self._overflowing and not packet.key):
                if packet.kind == "video":
                    self._dropped += 1
                if full and not self._overflowing:
                    self._overflowing = True
                    log.warning("%s: the disk is too slow, packets are lost", self.name, extra={"output": self.name})
                return
            self._overflowing = False
            self._queue.append(packet)
            self._queued_bytes += len(packet.data)

    # From any thread.

    def hold(self, since_utc_s: float) -> None:
        """With ``mode="events"``: write everything from the key frame at or before ``since_utc_s`` on, until released."""
        with self._lock:
            if self._wanted_from is None or self._wanted_until < math.inf:
                self._wanted_from = since_utc_s
            self._wanted_until = math.inf
        self._awake.set()

    def release(self, until_utc_s: float) -> None:
        """With ``mode="events"``: what comes after ``until_utc_s`` need not be written, from the next key frame on."""
        with self._lock:
            self._wanted_until = until_utc_s

    def make_room(self) -> bool:
        """Where the disk is full, remove the oldest footage; whether there was any."""
        removed = self._retention.make_room()
        if removed is not None:
            self._say_once(f"the disk is full: the oldest footage makes room, {removed.name} first")
        return removed is not None

    def status(self) -> OutputStatus:
        """How it is doing."""
        with self._lock:
            queued, waiting = len(self._queue), self._queued_bytes
        return OutputStatus(
            name=self.name,
            state=self._state,
            frames=self._frames,
            bytes=self._bytes,
            dropped=self._dropped,
            queued=queued,
            fill=min(1.0, waiting / self._queue_bytes),
            error=self._error,
        )

    def finish(self, timeout_s: float = _FINISH_S) -> None:
        """Write what waits and complete the last file; a disk that does not answer is left alone after ``timeout_s``."""
        self._finishing = True
        self._awake.set()
        self._thread.join(timeout_s)

    # The writing thread.

    def _work(self) -> None:
        while True:
            self._awake.wait(_WRITE_S)
            self._awake.clear()
            finishing = self._finishing
            self._write_all()
            if finishing:
                break
        self._end_segment()
        self._retention.close()
        self._say(State.ENDED, self._error)

    def _write_all(self) -> None:
        with self._lock:
            items, self._queue = self._queue, deque()
        for item in items:
            try:
                if isinstance(item, CameraStreams):
                    self._connected(item)
                else:
                    self._write(item)
            except OSError as error:
                self._failed(error)
            except OutputRefused as error:
                self._refused(error)
            if isinstance(item, CameraPacket):
                with self._lock:
                    self._queued_bytes -= len(item.data)

    def _connected(self, streams: CameraStreams) -> None:
        self._end_segment()
        self._anchor = None
        self._streams, self._times, self._tracks = streams, PacketTimes(streams.video.rate), None

    def _write(self, packet: CameraPacket) -> None:
        if self._times is None or self._streams is None:
            return
        if packet.kind == "video" and packet.key:
            self._look_at_key(self._streams, packet)
        times = self._times.place(packet)
        if self._tracks is None:
            return  # before the first key frame that can be read
        placed = Placed(packet, times, self._tracks)
        if self._mode == "events" and not self._wanted(packet):
            if self._segment is not None and packet.key:
                self._end_segment()
            if self._segment is None:
                self._preroll.add(placed)
                return
        if self._mode == "events" and self._segment is None:
            self._preroll.add(placed)
            self._record_preroll(self._wanted_from or 0.0)
            return
        self._record(placed)

    def _record_preroll(self, since_utc_s: float) -> None:
        waiting = self._preroll.since(since_utc_s)
        first_utc_s = waiting[0].packet.utc_s if waiting else math.inf
        if self._preroll.cut_short and first_utc_s > since_utc_s:
            self._say_once(
                f"{PREROLL_BYTES // 2**20} MiB of memory do not hold what was before an event: its clip begins late "
                "(record_mode: continuous has no such limit)"
            )
        tracks: Tracks | None = None
        for each in waiting:
            if each.tracks is not tracks:  # another connection, whose time begins anew, or another size
                self._end_segment()
                tracks, self._anchor = each.tracks, None
            self._record(each)
        self._preroll.clear()

    def _look_at_key(self, streams: CameraStreams, key: CameraPacket) -> None:
        """Begin anew where a key frame says that something is different."""
        if self._tracks is not None and not self._tracks.fit(key):
            log.info("%s: the size of the picture changed: a new file begins", self.name, extra={"output": self.name})
            self._end_segment()
            self._tracks = None
        if self._tracks is None:
            try:
                self._tracks = Tracks(streams, key)
            except av.error.FFmpegError as error:
                self._say_once(f"a key frame cannot be read ({error.strerror}); recording waits for the next one")
                return
            if self._tracks.note:
                self._say_once(self._tracks.note)
            if self._times is not None:
                self._times.reorder(self._tracks.depth)

    def _record(self, placed: Placed) -> None:
        packet, times = placed.packet, placed.times
        now = self._clock()
        if now < self._retry_at:
            self._dropped += packet.kind == "video"
            return
        segment = self._segment
        if segment is not None and now >= self._look_at:
            self._look_at = now + _LOOK_S
            if segment.removed():
                log.warning("%s: %s was removed; recording goes on in a new file", self.name, segment.path.name)
                self._let_go(segment)
                segment = None
        if packet.key and segment is not None and times.dts - segment.first.dts >= self._segment_s * TIME_BASE.denominator:
            self._end_segment()
            segment = None
        if segment is None:
            if not packet.key:
                return
            segment = self._segment = self._begin_segment(placed)
        before = segment.bytes
        segment.write(packet, times)
        self._bytes += segment.bytes - before
        if packet.kind == "video":
            self._frames += 1
            self.recorded_until_utc_s = packet.utc_s
        self._worked(segment)

    def _begin_segment(self, placed: Placed) -> SegmentFile:
        packet, tracks = placed.packet, placed.tracks
        start = datetime.fromtimestamp(self._began_utc_s(placed), UTC)
        self.folder.mkdir(parents=True, exist_ok=True)
        again = 0
        while True:
            path = self._current = self.folder / segment_name(self.stem, start, again, tracks.suffix)
            try:
                return SegmentFile(path, tracks, placed.times, start, camera_clock=packet.camera_clock)
            except FileExistsError:  # the clock was set back, or there were two in a second
                again += 1

    def _began_utc_s(self, placed: Placed) -> float:
        """When a file's first picture was taken; by the camera's spacing since the last one, because arrivals are uneven."""
        packet, tick = placed.packet, placed.times.dts
        utc_s = packet.utc_s
        if self._anchor is not None and not packet.camera_clock:
            expected_s = self._anchor[1] + (tick - self._anchor[0]) * float(TIME_BASE)
            utc_s = expected_s if abs(expected_s - utc_s) <= _MOST_DRIFT_S else utc_s
        if self._anchor is not None and utc_s < self._anchor[1] <= utc_s + _MOST_LATE_S:
            utc_s = self._anchor[1]  # what is in the file before came late; the names tell the order
        self._anchor = (tick, utc_s)
        return utc_s

    def _wanted(self, packet: CameraPacket) -> bool:
        with self._lock:
            if self._wanted_from is not None and packet.utc_s > self._wanted_until:
                self._wanted_from = None
            return self._wanted_from is not None

    def _end_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        try:
            segment.close()
        except OSError as error:
            self._failed(error)
        finally:
            self._current = None
            self._retention.wake()

    def _let_go(self, segment: SegmentFile) -> None:
        self._segment = self._current = None
        segment.give_up()
        self._retention.wake()

    def _failed(self, error: OSError) -> None:
        self._dropped += 1
        if self._segment is not None:
            self._let_go(self._segment)
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and self.make_room():
            return  # the next key frame begins a file
        now = self._clock()
        if self._away_since is None:
            self._away_since = now
        self._retry_at = now + self._backoff.delay_s(now - self._away_since, self._rng)
        self._say(State.RECONNECTING, why(error))

    def _refused(self, error: OutputRefused) -> None:
        self._streams = None
        self._say(State.FAILED, str(error))

    def _worked(self, segment: SegmentFile) -> None:
        # A full disk takes a head before it refuses: after a failure, what is on disk counts as success.
        if self._state is not State.RECONNECTING or segment.bytes > 2**16:
            self._away_since = None
            self._say(State.RUNNING, "")

    def _say_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            log.warning("%s: %s", self.name, text, extra={"output": self.name})

    def _say(self, state: State, error: str) -> None:
        """One line for each change, none for what has been said."""
        if (state, error) == (self._state, self._error):
            return
        self._state, self._error = state, error
        retrying = ", trying again" if state is State.RECONNECTING else ""
        level = logging.WARNING if error else logging.INFO
        told = f", {error}" if error else ""
        log.log(level, "%s: %s%s%s", self.name, state, told, retrying, extra={"output": self.name, "state": state})
