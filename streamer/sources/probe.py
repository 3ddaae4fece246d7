"""What is in a file: containers, streams, rates as declared and as measured."""

from __future__ import annotations

import statistics
from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from streamer.runtime import pyav
from streamer.sources.conversion import display_matrix, orientation
from streamer.sources.opening import is_picture, is_url, open_container, reading_error, shown

# Two spacings count as the same when they differ by no more than a rounding of the clock to either side.
_ROUNDING_TICKS = 2
_FIRST_FRAME_PACKETS = 200

_MATRICES = {
    0: "rgb",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
}
_RANGES = {ColorRange.MPEG: "limited", ColorRange.JPEG: "full"}
_PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    11: "smpte431",
    12: "smpte432",
}
_TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 13: "iec61966-2-1", 14: "bt2020-10",
    15: "bt2020-12", 16: "smpte2084", 18: "arib-std-b67",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Spacing:
    """How far apart the frames of a stream are, measured on every packet."""

    frames: int
    """Frames that are shown."""
    min_s: float
    median_s: float
    max_s: float
    rate: float | None
    """Frames per second from the first to the last, or None for fewer than two."""
    variable: bool
    """Whether the spacing differs by more than the clock's rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """One stream. What does not apply to its kind, or is not known, is None."""

    index: int
    kind: str
    """video, audio, subtitle, data, attachment or unknown."""
    codec: str | None
    chosen: bool = False
    """Whether this is the stream that gets annotated."""
    time_base: str | None = None
    start_s: float | None = None
    duration_s: float | None = None
    packets: int = 0
    bit_rate: int | None = None
    """Bits per second, measured."""
    language: str | None = None
    disposition: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    width: int | None = None
    """Pixels as stored."""
    height: int | None = None
    pixel_format: str | None = None
    declared_rate: str | None = None
    """Frames per second as an exact fraction, as the container says."""
    spacing: Spacing | None = None
    rotation: int | None = None
    """Degrees clockwise that turn the stored picture upright."""
    mirrored: bool | None = None
    sample_aspect_ratio: str | None = None
    color: dict[str, str] | None = None
    """range, matrix, primaries, transfer, where the stream says so."""
    sample_rate: int | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What :func:`probe` found."""

    path: str
    """Without credentials."""
    container: str
    duration_s: float | None = None
    start_s: float | None = None
    bit_rate: int | None = None
    streams: list[StreamReport] = field(default_factory=list)
    chapters: list[dict[str, Any]] = field(default_factory=list)
    """``title``, ``start_s``, ``end_s`` of each."""
    metadata: dict[str, str] = field(default_factory=dict)
    damaged_packets: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As plain types for JSON."""
        return asdict(self)


def probe(path: str) -> ProbeReport:
    """Read all packets of ``path`` and decode one frame of each video stream. Raises a ``SourceError``."""
    with open_container(path) as container:
        measures = {stream.index: _Measure() for stream in container.streams}
        damaged = _read(container, measures, path)
        pictures = _first_pictures(path, [s.index for s in container.streams.video])
        best = container.streams.best("video")
        photo = Path(path).read_bytes() if is_picture(container) and not is_url(path) and Path(path).is_file() else b""
        return ProbeReport(
            path=shown(path),
            container=container.format.name,
            duration_s=None if container.duration is None else container.duration / 1_000_000,
            start_s=None if container.start_time is None else container.start_time / 1_000_000,
            bit_rate=container.bit_rate or None,
            streams=[
                _report(s, measures[s.index], pictures.get(s.index), photo, chosen=best is not None and s.index == best.index)
                for s in container.streams
            ],
            chapters=[
                {
                    "title": pyav.readable(chapter["metadata"]).get("title", ""),
                    "start_s": float(chapter["start"] * (chapter["time_base"] or 1)),
                    "end_s": float(chapter["end"] * (chapter["time_base"] or 1)),
                }
                for chapter in container.chapters()
            ],
            metadata=pyav.readable(container.metadata),
            damaged_packets=damaged,
        )


class _Measure:
    """Times and bytes of one stream's packets; eight bytes a packet."""

    def __init__(self) -> None:
        self.pts: array[int] = array("q")
        self.packets = 0
        self.bytes = 0

    def add(self, packet: av.Packet[Stream]) -> None:
        self.packets += 1
        self.bytes += packet.size
        if packet.pts is not None and not packet.is_discard:
            self.pts.append(packet.pts)

    def spacing(self, time_base: Fraction) -> Spacing | None:
        pts = sorted(self.pts)
        gaps = [later - earlier for earlier, later in pairwise(pts)]
        if not gaps:
            return None
        tick_s = float(time_base)
        return Spacing(
            frames=len(pts),
            min_s=min(gaps) * tick_s,
            median_s=statistics.median(gaps) * tick_s,
            max_s=max(gaps) * tick_s,
            rate=len(gaps) / ((pts[-1] - pts[0]) * tick_s) if pts[-1] > pts[0] else None,
            variable=max(gaps) - min(gaps) > _ROUNDING_TICKS,
        )


def _read(container: InputContainer, measures: Mapping[int, _Measure], path: str) -> int:
    damaged = 0
    while True:
        try:
            for packet in container.demux():
                if packet.size:
                    measures[packet.stream_index].add(packet)
                    damaged += packet.is_corrupt
        except av.error.InvalidDataError:
            damaged += 1
            if damaged >= 100:  # the end of a cut-off file may answer so for ever
                return damaged
        except (av.error.FFmpegError, OSError) as error:
            raise reading_error(path, error) from error
        else:
            return damaged


def _first_pictures(path: str, indexes: list[int]) -> dict[int, av.VideoFrame]:
    """The first frame of each video stream: the only one that tells how it is to be turned."""
    pictures: dict[int, av.VideoFrame] = {}
    for index in indexes:
        with open_container(path) as container:
            stream = container.streams[index]
            if not isinstance(stream, VideoStream) or stream.codec_context is None:
                continue
            for packet, _ in zip(container.demux(stream), range(_FIRST_FRAME_PACKETS), strict=False):
                try:
                    decoded = stream.decode(packet)
                except av.error.FFmpegError:  # damage is counted where packets are read; a later one may do
                    continue
                if decoded:
                    pictures[index] = decoded[0]
                    break
    return pictures


def _report(stream: Stream, measure: _Measure, picture: av.VideoFrame | None, photo: bytes, *, chosen: bool) -> StreamReport:
    time_base = pyav.fraction(stream.time_base) or Fraction(1)
    duration_s = float(stream.duration * time_base) if stream.duration is not None else None
    common: dict[str, Any] = {
        "index": stream.index,
        "kind": stream.type,
        "codec": getattr(stream, "name", None),
        "chosen": chosen,
        "time_base": str(time_base) if stream.time_base else None,
        "start_s": float(stream.start_time * time_base) if stream.start_time is not None else None,
        "duration_s": duration_s,
        "packets": measure.packets,
        "bit_rate": round(measure.bytes * 8 / duration_s) if duration_s else None,
        "language": stream.language,
        "disposition": [flag.name for flag in Disposition if flag & stream.disposition],
        "metadata": pyav.readable(stream.metadata),
    }
    if isinstance(stream, AudioStream) and stream.codec_context is not None:
        return StreamReport(**common, sample_rate=stream.sample_rate, channels=stream.channels)
    if not isinstance(stream, VideoStream) or stream.codec_context is None:
        return StreamReport(**common)
    upright = orientation(display_matrix(picture, photo)) if picture is not None else None
    context = stream.codec_context
    return StreamReport(
        **common,
        width=context.width,
        height=context.height,
        pixel_format=context.pix_fmt,
        declared_rate=str(pyav.fraction(stream.average_rate)) if stream.average_rate else None,
        spacing=measure.spacing(time_base),
        rotation=None if upright is None else upright.quarter_turns * 90,
        mirrored=None if upright is None else upright.mirrored,
        sample_aspect_ratio=str(pyav.fraction(stream.sample_aspect_ratio)) if stream.sample_aspect_ratio else None,
        color=_color(context if picture is None else picture),
    )


def _color(holder: Any) -> dict[str, str] | None:
    named = {
        "range": _RANGES.get(holder.color_range),
        "matrix": _MATRICES.get(holder.colorspace),
        "primaries": _PRIMARIES.get(holder.color_primaries),
        "transfer": _TRANSFERS.get(holder.color_trc),
    }
    return {key: value for key, value in named.items() if value is not None} or None
