"""One camera: its source, its pipeline, its outputs, and its status."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from streamer.channel import Overflow
from streamer.config.live import CameraConfig
from streamer.errors import ConfigError, OutputRefused, SourceAuthFailed, StageFailed, in_one_line
from streamer.frame import StreamInfo
from streamer.live.guarded import GuardedPerception, GuardedRender, Rebuilt
from streamer.live.outputs import Failures, Outputs, frame_room
from streamer.live.parts import Parts
from streamer.live.rates import Rates
from streamer.live.shared_detector import DetectorClient
from streamer.live.status import MOST_DAMAGED, CameraStatus, overlay, summary
from streamer.live.watchdog import Watchdog, silent
from streamer.perception.analysed import Scene
from streamer.pipeline import Pipeline, Recording, Render
from streamer.redact import redact
from streamer.runtime.backoff import Backoff
from streamer.sources.address import parse_address
from streamer.sources.rate_limit import CAUSE, RateLimited
from streamer.sources.state import SourceStats, StateChange
from streamer.stages import Annotated, OutputStatus, Perception, Source, State, View
from streamer.stats import Stats

log = logging.getLogger(__name__)

DETECTOR = "detector"
"""What the watchdog calls the detector, which all cameras share."""

_JOIN_TIMEOUT_S = 0.5
"""How long the threads of a pipeline may take to end: all of it has to fit into the three seconds after the first Ctrl-C."""

_SILENT_S = 20.0
"""A source that calls itself running without a frame for so long is stuck, whatever it says."""


@runtime_checkable
class Reporting(Protocol):
    """A source that says how it is."""

    stats: SourceStats
    state: State
    since_s: float
    since_utc_s: float
    reason: str


class Camera:
    """One pipeline from :meth:`run` to its end, in the thread that calls it. Its status may be asked for from any thread.

    ``patient``: try for ever to open a source that is not there at the start; otherwise :meth:`run` raises what it raised.
    """

    def __init__(
        self,
        name: str,
        config: CameraConfig,
        client: DetectorClient,
        parts: Parts,
        watchdog: Watchdog,
        *,
        patient: bool = False,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.config = config
        self.failed_outputs = Failures(name)
        self.views: Sequence[View] = ()
        """The windows, for the main thread to show, once they are there."""
        self._address = redact(parse_address(config.source).name)
        self._client = client
        self._parts = parts
        self._watchdog = watchdog
        self._patient = patient
        self._clock = clock
        self._utc = utc
        self._backoff = Backoff(initial_s=config.reconnect_initial_delay, max_s=config.reconnect_max_delay)
        self._rates = Rates()
        self._stop = threading.Event()
        self._abandoned = False
        self._source: Source | None = None
        self._reporting: Reporting | None = None
        self._rate_limited: RateLimited | None = None
        self._info: StreamInfo | None = None
        self._pipeline: Pipeline | None = None
        self._outputs: Outputs | None = None
        self._perception: Rebuilt[Perception] | None = None
        self._renderer: Rebuilt[Render] | None = None
        self._newest: Annotated | None = None
        self._told: dict[str, str] = {}
        """What was said of the figures that are out of bounds, by figure."""
        self._state, self._reason = State.STARTING, ""
        self._since_s, self._since_utc_s = clock(), utc()

    # From any thread.

    def stop(self) -> None:
        """Read no further, complete the outputs."""
        self._stop.set()
        if (source := self._source) is not None:
            source.interrupt()
        if (recording := self._parts.recording) is not None:
            recording.interrupt()
        if (pipeline := self._pipeline) is not None:
            pipeline.stop()

    def hurry(self) -> None:
        """After :meth:`stop`: do not wait for a detector that does not answer; the outputs are completed without it."""
        self._client.close()

    def abandon(self) -> None:
        """Give up everything and return from :meth:`run` as soon as possible."""
        self._abandoned = True
        self.stop()
        self._client.close()
        if (pipeline := self._pipeline) is not None:
            pipeline.abandon()

    @property
    def scene(self) -> Scene | None:
        """What zones and lines count; None where none can be."""
        return self._parts.scene

    def status(self) -> CameraStatus:
        """How it is doing now."""
        now = self._clock()
        stats = Stats() if (pipeline := self._pipeline) is None else pipeline.stats
        reporting, source_stats = self._reporting, SourceStats()
        state, reason, since_s, since_utc_s = self._state, self._reason, self._since_s, self._since_utc_s
        last_frame_at = None if (newest := self._newest) is None else newest.frame.captured_at
        if reporting is not None:
            source_stats = reporting.stats
            last_frame_at = source_stats.last_frame_at
            if state is State.RUNNING:
                state, reason, since_s, since_utc_s = (
                    reporting.state,
                    reporting.reason,
                    reporting.since_s,
                    reporting.since_utc_s,
                )
        before = self._dropped_before(source_stats)
        ages = () if newest is None or not len(newest.instances) else newest.instances.mask_age_s
        status = CameraStatus(
            name=self.name,
            source=self._address,
            state=state,
            state_s=max(0.0, now - since_s),
            since_utc_s=since_utc_s,
            reason=redact(reason),
            width=0 if self._info is None else self._info.width,
            height=0 if self._info is None else self._info.height,
            frames_in=stats.frames_in + before.total(),
            frames_out=stats.frames_out,
            dropped=dict(stats.dropped.copy() + before),
            detections=self._client.detections,
            detector_failures=self._client.failures,
            restarts=sum(part.failures for part in self._guarded()),
            detector_error=self._client.error,
            awaiting=self._client.awaiting,
            errors=tuple(part.error for part in self._guarded() if part.error),
            damaged_share=min(1.0, self._rates["damaged"] / fps) if (fps := self._rates["frames_in"]) else 0.0,
            damaged_frames=max(stats.damaged_frames, source_stats.damaged_frames),
            reconnects=source_stats.reconnects,
            stalls=source_stats.stalls,
            camera_fps=self._rates["frames_in"],
            process_fps=self._rates["frames_out"],
            skipped_fps=self._rates["dropped"],
            detection_fps=self._rates["detections"],
            frame_age_s=None if last_frame_at is None else max(0.0, now - last_frame_at),
            mask_age_s=max(map(float, ages), default=None),
            detector_busy_s=self._client.busy_s,
            detector_share=min(1.0, self._rates["busy_s"]),
            latencies=stats.latencies,
            queues={} if pipeline is None else pipeline.queues,
            outputs=self._output_statuses(),
            places={} if (scene := self.scene) is None else scene.counted(),
            stuck=self._watchdog.stuck.get(self.name) or self._watchdog.stuck.get(DETECTOR, ""),
        )
        return replace(status, stuck="capture") if not status.stuck and silent(status, _SILENT_S) else status

    def _output_statuses(self) -> tuple[OutputStatus, ...]:
        copied = None if self._parts.recording is None else self._parts.recording.status()
        drawn = () if (outputs := self._outputs) is None else outputs.statuses()
        return drawn if copied is None else (copied, *drawn)

    def figures(self) -> list[str]:
        """The lines of the window's overlay."""
        return overlay(self.status())

    def sample(self, now: float) -> None:
        """About once a second, from one thread: note the counters, for the rates, and say what has gone out of bounds."""
        status = self.status()
        self._rates.sample(
            now,
            {
                "frames_in": status.frames_in,
                "frames_out": status.frames_out,
                "dropped": sum(status.dropped.values()),
                "damaged": status.damaged_frames,
                "detections": status.detections,
                "busy_s": status.detector_busy_s,
            },
        )
        silent_s = self._client.silent_s
        self._tell(
            "detector", f"the detector has not answered for {silent_s:.0f} s" if silent_s else "", "the detector answers again"
        )
        self._announce(status.awaiting)
        damaged_share = self.status().damaged_share
        damaged = f"{damaged_share:.0%} of the frames are damaged" if damaged_share > MOST_DAMAGED else ""
        self._tell("damage", damaged, "hardly any frames are damaged any more")

    def _announce(self, awaiting: str) -> None:
        """One line when it is clear that the first masks take a while, and one when they are there."""
        extra = {"source": self.name}
        if awaiting and "first result" not in self._told:
            log.info("%s: %s", self.name, awaiting, extra=extra)
            self._told["first result"] = awaiting
        elif self._client.detections and self._told.pop("first result", ""):
            log.info("%s: the first result is there", self.name, extra=extra)

    def _tell(self, figure: str, trouble: str, well: str) -> None:
        """One line when a figure gets out of bounds, and one when it is back within them."""
        extra = {"source": self.name}
        if trouble and figure not in self._told:
            log.warning("%s: %s", self.name, trouble, extra=extra)
            self._told[figure] = trouble
        elif not trouble and self._told.pop(figure, ""):
            log.warning("%s: %s", self.name, well, extra=extra)

    def _guarded(self) -> list[Rebuilt[Perception] | Rebuilt[Render]]:
        return [part for part in (self._perception, self._renderer) if part is not None]

    # The pipeline.

    def run(self) -> None:
        """Open, work until the source ends, fails or :meth:`stop`, and complete the outputs.

        Raises ``SourceError`` (where it is not patient), ``ConfigError`` for outputs that cannot be, ``StageFailed``.
        """
        recording = self._parts.recording
        try:
            if recording is not None:
                recording.start()
            info = self._open()
            if info is not None and not self._stop.is_set():
                self._run_pipeline(info)
        except BaseException as error:
            self._enter(State.FAILED, str(error))
            raise
        finally:
            self._client.close()
            if self._source is not None:
                self._source.close()
            if recording is not None:
                recording.finish()
            self._watchdog.forget(self.name)
        if recording is not None and (status := recording.status()) is not None and status.state is State.FAILED:
            self.failed_outputs.errors.append(OutputRefused(status.error))
        if self._state is not State.FAILED:
            self._enter(State.ENDED)

    def _open(self) -> StreamInfo | None:
        """Open the source, trying again where that is asked for; None when it was stopped meanwhile."""
        away_since = self._clock()
        while not self._stop.is_set():
            source = self._parts.source(self._source_changed)
            self._source = source
            if self._stop.is_set():
                # stop() may have looked before there was a source to interrupt.
                return None
            try:
                info = source.open()
            except ConfigError:
                raise
            except Exception as error:
                source.close()
                if self._stop.is_set():
                    return None
                if not self._patient:
                    raise
                self._say_waiting(in_one_line(error))
                # A wrong password is not tried often: cameras lock out who does that.
                slow = isinstance(error, SourceAuthFailed)
                wait_s = self._backoff.delay_s(self._clock() - away_since, random.random)
                self._stop.wait(self.config.reconnect_max_delay if slow else wait_s)
            else:
                self._info = info
                self._reporting = source if isinstance(source, Reporting) else None
                return info
        return None

    def _say_waiting(self, reason: str) -> None:
        if reason != self._reason:
            self._reason = reason
            log.error("%s: cannot be opened, trying again: %s", self.name, redact(reason), extra={"source": self.name})

    def _run_pipeline(self, info: StreamInfo) -> None:
        config, watch = self.config, self._watchdog.watch
        outputs = self._parts.outputs(info, self.figures, self.failed_outputs)
        every_frame = info.live and bool(outputs.recordings)
        self._outputs = sink = Outputs(outputs, self.failed_outputs, every_frame=every_frame)
        try:
            labels, clock = self._parts.labels, self._clock
            self._perception = Rebuilt(
                self.name, "perception", lambda: self._parts.perception(self._client, info), clock, made_for=labels
            )
            self._renderer = Rebuilt(self.name, "rendering", lambda: self._parts.renderer(info), clock, made_for=labels)
        except BaseException:
            sink.abandon()
            raise
        source = self._source
        if source is None:
            raise StageFailed("capture", RuntimeError("no source"))
        if config.max_fps is not None:
            source = self._rate_limited = RateLimited(source, config.max_fps)
        self._pipeline = pipeline = Pipeline(
            source,
            GuardedPerception(
                self._perception,
                watch(self.name, "inference", None if config.follow else self._client.limit_s),
                self._parts.unknown,
            ),
            GuardedRender(self._renderer, watch(self.name, "render")),
            [sink],
            overflow=Overflow.DROP_OLDEST if info.live else Overflow.WAIT,
            capacity=_capacity(info, config),
            max_staleness_s=config.max_staleness if info.live else None,
            recording=Recording(record=sink.record, room=frame_room(config.record_buffer), newest_only=not config.follow)
            if every_frame
            else None,
            on_item=self._written,
            on_idle=self._idle,
            clock=self._clock,
            join_timeout_s=_JOIN_TIMEOUT_S,
        )
        self._enter(State.RUNNING)
        self.views = outputs.windows
        if self._stop.is_set():
            pipeline.stop()
        if self._abandoned:
            pipeline.abandon()
        pipeline.run()

    def _written(self, item: Annotated) -> None:
        self._newest = item

    def _idle(self) -> None:
        reporting, sink = self._reporting, self._outputs
        if reporting is not None and sink is not None and reporting.state == State.RECONNECTING:
            sink.idle(f"reconnecting, {self._clock() - reporting.since_s:.0f} s")

    def _source_changed(self, change: StateChange) -> None:
        """One line for each change of state, in the words of the source."""
        if change.state in (State.ENDED, State.FAILED) or self._info is None:
            return  # said by _enter, with what it has done
        level = logging.INFO if change.state is State.RUNNING else logging.WARNING
        reason = f": {redact(change.reason)}" if change.reason else ""
        log.log(level, "%s: %s%s", self.name, change.state, reason, extra={"source": self.name, "state": str(change.state)})

    def _enter(self, state: State, reason: str = "") -> None:
        self._state, self._reason = state, reason
        self._since_s, self._since_utc_s = self._clock(), self._utc()
        if state is State.FAILED and self._info is None and not self._patient:
            return  # it never began: the caller gets the error, and says it
        level = logging.ERROR if state is State.FAILED else logging.INFO
        told = f": {redact(reason)}" if reason else ""
        if state in (State.ENDED, State.FAILED):
            told += f" ({summary(self.status())})"
        log.log(level, "%s: %s%s", self.name, state, told, extra={"source": self.name, "state": str(state)})

    def _dropped_before(self, source: SourceStats) -> Counter[str]:
        """Frames that were dropped before the pipeline, by cause."""
        skipped = 0 if self._rate_limited is None else self._rate_limited.skipped
        return source.dropped.copy() + Counter({CAUSE: skipped})


def _capacity(info: StreamInfo, config: CameraConfig) -> int:
    """Frames that may wait: of a live stream as few as can be, as they only grow older; recordings lose nothing.

    Following takes less time than a frame, so that two which come at once, as they do over networks, are both shown.
    """
    if not info.live:
        return 4
    return 2 if config.follow else 1
