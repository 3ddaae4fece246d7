"""What is to be said about one camera at one moment: the one truth behind metrics, ``/status``, the table and the overlay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from streamer.stages import OutputStatus
from streamer.stats import Latency

STATES = ("starting", "running", "reconnecting", "ended", "failed")
"""The states of a source, and of an output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraStatus:
    """One camera. Times are seconds; rates are frames a second over the last ten seconds."""

    name: str
    """What the camera is called; unique in a run."""
    source: str
    """Its address, without credentials."""
    state: str
    """One of ``STATES``."""
    state_s: float
    """How long it has been in that state."""
    since_utc_s: float
    """Seconds since 1970 when it came into that state."""
    reason: str = ""
    """Why it is not running, without credentials."""
    width: int = 0
    height: int = 0
    frames_in: int = 0
    """Frames captured."""
    frames_out: int = 0
    """Frames that went to the outputs."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Frames that did not, by cause."""
    detections: int = 0
    """Pictures that the detector has worked on."""
    damaged_frames: int = 0
    reconnects: int = 0
    stalls: int = 0
    camera_fps: float = 0.0
    process_fps: float = 0.0
    skipped_fps: float = 0.0
    detection_fps: float = 0.0
    frame_age_s: float | None = None
    """How long ago the newest frame was captured; None before the first."""
    mask_age_s: float | None = None
    """How old the masks of the newest picture are, the oldest of them; None where there are none."""
    detector_busy_s: float = 0.0
    """Seconds that the detector has worked for this camera."""
    detector_share: float = 0.0
    """Share 0..1 of the last ten seconds in which the detector worked for this camera."""
    latencies: Mapping[str, Latency] = field(default_factory=dict)
    """By stage: ``decode``, ``inference``, ``render``, ``encode``, ``e2e``."""
    queues: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """By name: items that wait, and how full that is, 0..1."""
    outputs: tuple[OutputStatus, ...] = ()
    stuck: str = ""
    """The stage that the watchdog found stuck, or nothing."""

    @property
    def healthy(self) -> bool:
        """Whether frames come and nothing is stuck."""
        return self.state == "running" and not self.stuck

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON; latencies as milliseconds."""
        return {
            "name": self.name,
            "source": self.source,
            "state": self.state,
            "since": datetime.fromtimestamp(self.since_utc_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "state_s": round(self.state_s, 3),
            "reason": self.reason,
            "stuck": self.stuck,
            "width": self.width,
            "height": self.height,
            "frames_in": self.frames_in,
            "frames_out": self.frames_out,
            "dropped": dict(self.dropped),
            "detections": self.detections,
            "damaged_frames": self.damaged_frames,
            "reconnects": self.reconnects,
            "stalls": self.stalls,
            "camera_fps": round(self.camera_fps, 2),
            "process_fps": round(self.process_fps, 2),
            "skipped_fps": round(self.skipped_fps, 2),
            "detection_fps": round(self.detection_fps, 2),
            "frame_age_s": None if self.frame_age_s is None else round(self.frame_age_s, 3),
            "mask_age_s": None if self.mask_age_s is None else round(self.mask_age_s, 3),
            "detector_share": round(self.detector_share, 4),
            "latency_ms": {
                stage: {"median": round(1e3 * latency.median_s, 2), "p95": round(1e3 * latency.p95_s, 2)}
                for stage, latency in self.latencies.items()
                if latency.count
            },
            "queues": {name: {"queued": queued, "fill": round(fill, 3)} for name, (queued, fill) in self.queues.items()},
            "outputs": [
                {
                    "name": output.name,
                    "state": output.state,
                    "frames": output.frames,
                    "bytes": output.bytes,
                    "dropped": output.dropped,
                    "queued": output.queued,
                    "fill": round(output.fill, 3),
                    "error": output.error,
                }
                for output in self.outputs
            ],
        }
