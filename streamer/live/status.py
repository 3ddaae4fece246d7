"""Snapshot of one camera's state and counters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar

from streamer.runtime.utc import iso_utc
from streamer.stages import OutputStatus, State
from streamer.stats import Latency

MOST_DAMAGED = 0.1
"""Share of the frames of ten seconds that may be damaged in a healthy camera."""

V = TypeVar("V", int, float, float | None)


@dataclass(frozen=True, slots=True)
class Metric:
    """How a field of ``CameraStatus`` is exported: ``streamer_NAME`` for Prometheus."""

    kind: Literal["counter", "gauge"]
    name: str
    text: str


def _exported(default: V, kind: Literal["counter", "gauge"], name: str, text: str) -> V:
    made: V = field(default=default, metadata={"metric": Metric(kind, name, text)})
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraStatus:
    """One camera at one moment: what metrics, ``/status``, ``/healthz``, the table, the overlay and the summary show.

    Times are seconds; rates are frames a second over the last ten seconds. A figure that is not known yet is None. The texts
    of the exported fields say what they are.
    """

    name: str
    """What the camera is called; unique in a run."""
    source: str
    """Its address, without credentials."""
    state: State
    state_s: float = field(
        metadata={"metric": Metric("gauge", "source_state_seconds", "Seconds since the source came into its state.")}
    )
    since_utc_s: float
    """Seconds since 1970 when it came into that state."""
    reason: str = ""
    """Why it is not running, without credentials."""
    stuck: str = ""
    """The stage that the watchdog found stuck, or nothing."""
    detector_error: str = ""
    """Why the detector gives no answers, without credentials; empty while it does."""
    awaiting: str = ""
    """When the detector's first result will be there, in words; empty once it is."""
    errors: tuple[str, ...] = ()
    """Why perception and renderer do not work, without credentials; empty while they do."""
    width: int = 0
    height: int = 0
    frames_in: int = _exported(0, "counter", "frames_captured", "Frames that the source gave.")
    frames_out: int = _exported(0, "counter", "frames_shown", "Frames that went to the outputs.")
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Frames that did not, by cause."""
    damaged_frames: int = _exported(0, "counter", "damaged_frames", "Frames in which the decoder concealed errors.")
    damaged_share: float = _exported(
        0.0, "gauge", "damaged_ratio", "Share of the frames of the last ten seconds that were damaged."
    )
    reconnects: int = _exported(0, "counter", "reconnects", "Times that the source was connected to again.")
    stalls: int = _exported(0, "counter", "stalls", "Times that the source fell silent while connected.")
    restarts: int = _exported(0, "counter", "restarts", "Times that perception or renderer failed and were built anew.")
    detections: int = _exported(0, "counter", "detections", "Pictures that the detector has worked on.")
    detector_failures: int = _exported(0, "counter", "detector_failures", "Pictures that the detector failed on.")
    detector_busy_s: float = _exported(
        0.0, "counter", "detector_busy_seconds", "Seconds that the detector has worked for this source."
    )
    detector_share: float = _exported(
        0.0, "gauge", "detector_busy_ratio", "Share of the last ten seconds in which the detector worked for this source."
    )
    camera_fps: float = _exported(
        0.0, "gauge", "camera_fps", "Frames a second that the source gives, over the last ten seconds."
    )
    process_fps: float = _exported(
        0.0, "gauge", "process_fps", "Frames a second that go to the outputs, over the last ten seconds."
    )
    skipped_fps: float = _exported(0.0, "gauge", "skipped_fps", "Frames a second that are dropped, over the last ten seconds.")
    detection_fps: float = _exported(
        0.0, "gauge", "detection_fps", "Pictures a second that the detector works on, over the last ten seconds."
    )
    frame_age_s: float | None = _exported(None, "gauge", "frame_age_seconds", "Seconds since the newest frame was captured.")
    mask_age_s: float | None = _exported(None, "gauge", "mask_age_seconds", "Age of the oldest mask in the newest picture.")
    latencies: Mapping[str, Latency] = field(default_factory=dict)
    """By stage: ``decode``, ``inference``, ``render``, ``encode``, ``e2e``."""
    queues: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """By name: items that wait, and how full that is, 0..1."""
    outputs: tuple[OutputStatus, ...] = ()
    places: Mapping[str, Any] = field(default_factory=dict)
    """``zones`` and ``lines`` by name, with what they counted; empty where there are none."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it is not healthy, one line for each reason, without credentials; empty while it is."""
        state = f"{self.state}: {self.reason}" if self.reason else str(self.state)
        return (
            *([] if self.state is State.RUNNING else [state]),
            *([f"stuck in {self.stuck}"] if self.stuck else []),
            *([self.detector_error] if self.detector_error else []),
            *([self.awaiting] if self.awaiting else []),
            *self.errors,
            *([f"{self.damaged_share:.0%} of the frames are damaged"] if self.damaged_share > MOST_DAMAGED else []),
            *(f"{output.name}: {output.trouble}" for output in self.outputs if output.trouble),
        )

    @property
    def healthy(self) -> bool:
        """Whether frames come, the detector answers, and every output does its work."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON; latencies as milliseconds, ``since`` as UTC."""
        plain = {each.name: _plain(getattr(self, each.name)) for each in fields(self)}
        del plain["since_utc_s"], plain["latencies"]
        return {
            **plain,
            "since": iso_utc(self.since_utc_s),
            "problems": list(self.problems),
            "latency_ms": {
                stage: {"median": round(1e3 * latency.median_s, 2), "p95": round(1e3 * latency.p95_s, 2)}
                for stage, latency in self.latencies.items()
                if latency.count
            },
            "queues": {name: {"queued": queued, "fill": round(fill, 3)} for name, (queued, fill) in self.queues.items()},
            "outputs": [{key: _plain(value) for key, value in asdict(output).items()} for output in self.outputs],
        }


def overlay(status: CameraStatus) -> list[str]:
    """The lines of a window's overlay; none before the first frame."""
    latency = status.latencies.get("e2e")
    if latency is None or not latency.count:
        return []
    return [
        f"{status.camera_fps:.1f} fps in, {status.process_fps:.1f} out",
        f"{status.detection_fps:.1f} detections a second",
        f"latency {1e3 * latency.median_s:.0f} ms, p95 {1e3 * latency.p95_s:.0f} ms",
        f"dropped {sum(status.dropped.values())}",
    ]


def summary(status: CameraStatus) -> str:
    """What a camera has done, in a few words."""
    causes = ", ".join(f"{cause} {count}" for cause, count in sorted(status.dropped.items())) or "none"
    zones = [f", {name}: {zone['entries']} entered" for name, zone in status.places.get("zones", {}).items()]
    lines = [f", {name}: {line['in']} in, {line['out']} out" for name, line in status.places.get("lines", {}).items()]
    counted = "".join([*zones, *lines])
    return f"{status.frames_in} captured, {status.frames_out} recorded or shown, dropped: {causes}{counted}"


def _plain(value: object) -> object:
    """``value`` as JSON can hold it: it knows no infinite numbers and no tuples."""
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
