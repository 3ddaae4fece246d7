"""What a run did, in figures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from streamer.frame import StreamInfo
from streamer.instances import class_name
from streamer.stats import STAGES, Stats

if TYPE_CHECKING:
    from streamer.follow.tracks import TrackSummary


class StageLatency(NamedTuple):
    """How long one stage took for a frame."""

    median_s: float
    p95_s: float


class TrackTotal(NamedTuple):
    """One object that was followed."""

    track_id: int
    class_name: str
    """Class that most of its detections voted for."""
    first_frame: int
    last_frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of a run that has ended."""

    source: str
    """Name of the source, without credentials."""
    frames_in: int
    """Frames that the source gave."""
    frames_out: int
    """Frames that reached every output."""
    dropped: Mapping[str, int]
    """Frames that did not, by cause; empty when there were none."""
    damaged_frames: int
    """Frames in which the decoder concealed errors."""
    damaged_packets: int
    """Packets that the decoder refused."""
    seconds: float
    """How long the run took, from the first read to the last write."""
    fps: float
    """``frames_out`` per second of the run."""
    latencies: Mapping[str, StageLatency]
    """``decode_latency``, ``inference_latency``, ``render_latency``, ``encode_latency``, ``e2e_latency``, if measured."""
    instances: Mapping[str, int]
    """Instances by class name, summed over all frames, most frequent first."""
    tracks: tuple[TrackTotal, ...] | None
    """What was followed, in the order of appearance; None where nothing was tracked."""
    places: Mapping[str, Any]
    """``zones`` and ``lines`` by name, with what they counted; empty where there are none."""
    files: tuple[str, ...]
    """Paths of what was written."""
    notes: tuple[str, ...]
    """What else a person should know: streams left out, say."""
    interrupted: bool
    """Whether somebody stopped the run before the source ended."""

    @classmethod
    def of(
        cls,
        stats: Stats,
        labels: Mapping[int, str],
        info: StreamInfo,
        *,
        now: float,
        tracks: Iterable[TrackSummary] | None = None,
        places: Mapping[str, Any] | None = None,
        files: Iterable[str | os.PathLike[str]] = (),
        notes: Iterable[str] = (),
        damaged_packets: int = 0,
        interrupted: bool = False,
    ) -> Self:
        """Read the figures out of ``stats``; ``now`` (monotonic seconds) counts only while the run has not ended."""
        seconds = stats.seconds(now)
        by_name: Counter[str] = Counter()
        for class_id, n in stats.instances.items():
            by_name[class_name(labels, class_id)] += n
        return cls(
            source=info.source,
            frames_in=stats.frames_in,
            frames_out=stats.frames_out,
            dropped={cause: n for cause, n in stats.dropped.items() if n},
            damaged_frames=stats.damaged_frames,
            damaged_packets=damaged_packets,
            seconds=seconds,
            fps=stats.frames_out / seconds if seconds > 0 else 0.0,
            latencies={
                f"{stage}_latency": StageLatency(latency.median_s, latency.p95_s)
                for stage in STAGES
                if (latency := stats.latencies[stage]).count
            },
            instances=dict(by_name.most_common()),
            tracks=None
            if tracks is None
            else tuple(TrackTotal(t.track_id, class_name(labels, t.class_id), t.first_frame, t.last_frame) for t in tracks),
            places=places or {},
            files=tuple(os.fspath(path) for path in files),
            notes=tuple(notes),
            interrupted=interrupted,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; the keys are the field names, durations in seconds."""
        plain = asdict(self)
        plain["latencies"] = {name: latency._asdict() for name, latency in self.latencies.items()}
        plain["tracks"] = None if self.tracks is None else [track._asdict() for track in self.tracks]
        plain["files"] = list(self.files)
        plain["notes"] = list(self.notes)
        return plain
