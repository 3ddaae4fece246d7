"""A camera of which only the packets are recorded: no picture is decoded, no detector asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from streamer.config.live import CameraConfig
from streamer.errors import OutputRefused
from streamer.live.copying import CopyRecording
from streamer.live.outputs import Failures
from streamer.live.rates import Rates
from streamer.live.status import CameraStatus
from streamer.redact import redact
from streamer.sources.address import parse_address
from streamer.sources.state import SourceStats
from streamer.stages import State, View


class CopiedCamera:
    """Runs as :class:`~streamer.live.camera.Camera` does, and costs a hundredth of a core."""

    def __init__(
        self,
        name: str,
        config: CameraConfig,
        *,
        patient: bool = False,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> None:
        """``patient``: wait for a source that is not there at the start; otherwise :meth:`run` raises what kept it away."""
        if config.record is None:
            raise OutputRefused(f"nothing of {name} is recorded", hint="name a folder with record")
        self.name = name
        self.config = config
        self.failed_outputs = Failures(name)
        self.views: Sequence[View] = ()
        self._address = redact(parse_address(config.record_source or config.source).name)
        self._patient = patient
        self._clock = clock
        self._recording = CopyRecording(name, config, config.record)
        self._rates = Rates()
        self._stopped = False
        self._ended: tuple[State, str] | None = None
        self._since_s, self._since_utc_s = clock(), utc()

    def run(self) -> None:
        """Record until the source fails or :meth:`stop`. Raises ``SourceError``, or ``OutputRefused`` for the folder."""
        try:
            source = self._recording.connect(self.name, patient=self._patient)
            if not self._stopped:
                source.run()
        except BaseException as error:
            self._ended = (State.FAILED, redact(str(error)))
            raise
        finally:
            self._recording.finish()
        status = self._recording.recorder.status()
        if status.state is State.FAILED:
            self.failed_outputs.errors.append(OutputRefused(status.error))
        self._ended = (State.ENDED, "")

    def stop(self) -> None:
        """From any thread: read no further, complete the file."""
        self._stopped = True
        self._recording.interrupt()

    def hurry(self) -> None:
        """There is no detector to wait for."""

    def abandon(self) -> None:
        """From any thread: end as soon as possible."""
        self.stop()

    def status(self) -> CameraStatus:
        """From any thread: how it is doing now."""
        now = self._clock()
        source, output = self._recording.source, self._recording.status()
        stats = SourceStats() if source is None else source.stats
        state, reason = (State.STARTING, "") if source is None else (source.state, source.reason)
        state, reason = self._ended or (state, reason)
        since_s, since_utc_s = (self._since_s, self._since_utc_s) if source is None else (source.since_s, source.since_utc_s)
        return CameraStatus(
            name=self.name,
            source=self._address,
            state=state,
            state_s=max(0.0, now - since_s),
            since_utc_s=since_utc_s,
            reason=reason,
            frames_in=stats.frames,
            frames_out=0 if output is None else output.frames,
            reconnects=stats.reconnects,
            stalls=stats.stalls,
            camera_fps=self._rates["frames_in"],
            process_fps=self._rates["frames_out"],
            frame_age_s=None if stats.last_frame_at is None else max(0.0, now - stats.last_frame_at),
            outputs=() if output is None else (output,),
        )

    def sample(self, now: float) -> None:
        """About once a second, from one thread: note the counters, for the rates."""
        status = self.status()
        self._rates.sample(now, {"frames_in": status.frames_in, "frames_out": status.frames_out})
