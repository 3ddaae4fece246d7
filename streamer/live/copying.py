"""What records a camera's packets, beside its pipeline or instead of it."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path

from streamer.config.live import CameraConfig
from streamer.errors import OutputRefused, SourceError
from streamer.recording.clips import Clip, cut_clip
from streamer.recording.recorder import PacketRecorder
from streamer.redact import redact
from streamer.runtime import tls
from streamer.sinks.retention import is_full
from streamer.sources.packet_source import PacketSource
from streamer.sources.packets import PacketTap
from streamer.stages import OutputStatus, State

log = logging.getLogger(__name__)

_JOIN_S = 0.5
_LATE_S = 3.0
"""How late an event may be known, after it was there for ``event_min_duration``."""


class CopyRecording:
    """The recording of one camera's packets, from :meth:`start` to :meth:`finish`.

    They come from the camera's own source by way of :meth:`tap`; with ``record_source``, or where nothing else reads the
    source, from a connection of its own, which is not decoded.
    """

    def __init__(self, camera: str, config: CameraConfig, folder: Path) -> None:
        self._camera = camera
        self._config = config
        self._folder = folder
        self._recorder: PacketRecorder | None = None
        self._thread: threading.Thread | None = None
        self.source: PacketSource | None = None
        """The connection of its own, if it has one."""

    @property
    def recorder(self) -> PacketRecorder:
        """What writes. Raises ``OutputRefused`` before :meth:`start`."""
        if self._recorder is None:
            raise OutputRefused(f"the recording of {self._camera} has not begun", hint="call start() first")
        return self._recorder

    def tap(self) -> PacketTap | None:
        """What the camera's own source hands its packets to; None with ``record_source``. Raises ``OutputRefused``."""
        return None if self._config.record_source is not None else self._open_recorder()

    def start(self) -> None:
        """Make the folder, and connect where that is its own task. Raises ``OutputRefused``."""
        self._open_recorder()
        if self._config.record_source is not None:
            source = self.connect(f"{self._camera}, record_source")
            self._thread = threading.Thread(target=self._run, args=(source,), name=f"copy-{self._camera}", daemon=True)
            self._thread.start()

    def connect(self, name: str, *, patient: bool = True) -> PacketSource:
        """A connection of its own, not begun; the log calls it ``name``. Not ``patient``: it has to be there at once."""
        config = self._config
        address = config.record_source or config.source
        if config.insecure:
            tls.leave_unchecked(address)
        self.source = source = PacketSource(
            address,
            self._open_recorder(),
            name=name,
            patient=patient,
            transport=config.transport,
            open_timeout_s=config.open_timeout,
            read_timeout_s=config.read_timeout,
            reconnect_initial_delay_s=config.reconnect_initial_delay,
            reconnect_max_delay_s=config.reconnect_max_delay,
            reconnect_attempts=config.reconnect_attempts,
        )
        return source

    def interrupt(self) -> None:
        """From any thread: read no further."""
        if self.source is not None:
            self.source.interrupt()

    def finish(self) -> None:
        """Complete the last file. May be called without :meth:`start`."""
        self.interrupt()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        if self._recorder is not None:
            self._recorder.finish()

    @property
    def recorded_until_utc_s(self) -> float | None:
        """Up to when footage is on its way to the disk, seconds since 1970; None while there is none."""
        return None if self._recorder is None else self._recorder.recorded_until_utc_s

    def hold(self, since_utc_s: float) -> None:
        """Footage since then is needed until further notice, with ``record_mode: events``; see ``PacketRecorder.hold``."""
        self._open_recorder().hold(since_utc_s)

    def release(self, until_utc_s: float) -> None:
        """Footage until then is needed, and none after it."""
        self._open_recorder().release(until_utc_s)

    def make_room(self, folder: Path) -> bool:
        """Where the disk of ``folder`` is the footage's and full, remove the oldest footage; whether there was any."""
        try:
            if folder.stat().st_dev != self._folder.stat().st_dev or not is_full(folder):
                return False
        except OSError:
            return False
        return self._open_recorder().make_room()

    def clip(self, start_utc_s: float, end_utc_s: float, target: Path) -> Clip:
        """Cut a clip out of what is on the disk: see :func:`~streamer.recording.clips.cut_clip`. Blocks while it copies."""
        return cut_clip(self._folder, redact(self._camera), start_utc_s, end_utc_s, target)

    def status(self) -> OutputStatus | None:
        """From any thread: how it is doing; None before it has begun."""
        if self._recorder is None:
            return None
        status, source = self._recorder.status(), self.source
        if source is None or source.state not in (State.RECONNECTING, State.FAILED) or status.state is State.FAILED:
            return status
        return replace(status, state=source.state, error=source.reason)

    def _open_recorder(self) -> PacketRecorder:
        if self._recorder is None:
            config = self._config
            of_events = config.record_mode == "events" and config.keep_events_hours is not None
            self._recorder = PacketRecorder(
                self._folder,
                redact(self._camera),
                segment_s=config.segment,
                keep_hours=config.keep_events_hours if of_events else config.keep_hours,
                keep_gb=config.keep_gb,
                mode=config.record_mode,
                preroll_s=config.event_pre_capture + config.event_min_duration + _LATE_S,
            )
        return self._recorder

    def _run(self, source: PacketSource) -> None:
        try:
            source.run()
        except SourceError as error:
            log.error("%s: %s", self._camera, redact(str(error)), extra={"source": self._camera})  # noqa: TRY400  # one line
