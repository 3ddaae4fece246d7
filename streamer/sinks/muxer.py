"""One container being written: encoded video in step with the copied streams of the input."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Stream
from av.video.stream import VideoStream

from streamer.frame import StreamInfo
from streamer.sinks.carriers import Carrier
from streamer.sinks.carriers import carrier as new_carrier
from streamer.sinks.chapters import moved_chapters
from streamer.sinks.containers import Container
from streamer.sinks.samples import Samples
from streamer.sinks.stream_plan import Plan, cover_type, kept_metadata
from streamer.sinks.timecode import moved_timecode
from streamer.sources.passthrough import Passthrough

AddVideo = Callable[[OutputContainer], VideoStream]
"""Adds the video stream to a container, at its place in the order of the streams."""

# What MP4 stores without being told to store any key.
_MP4_KEYS = frozenset(
    {
        *("title", "artist", "album_artist", "composer", "album", "date", "creation_time", "comment", "genre", "copyright"),
        *("synopsis", "description", "lyrics", "show", "episode_id", "network", "keywords", "grouping", "location"),
        *("location-eng", "make", "model", "track", "disc", "timecode"),
    }
)
# QuickTime knows languages by numbers, and FFmpeg those numbers by one of the two codes that ISO 639-2 has for some.
_LANGUAGES_OF_MOV = {
    "deu": "ger", "nld": "dut", "ell": "gre", "isl": "ice", "zho": "chi", "sqi": "alb", "mkd": "mac",
    "fre": "fra", "cze": "ces", "slo": "slk", "rum": "ron",
}  # fmt: skip
_MOST_TICKS = 2**31 - 1


class Muxer:
    """Writes one container. Used by one thread; ends with :meth:`finish` or :meth:`abort`."""

    def __init__(
        self,
        file: Path | io.BytesIO,
        container: Container,
        info: StreamInfo,
        add_video: AddVideo,
        *,
        passthrough: Passthrough | Samples | None = None,
        plan: Plan | None = None,
        video_index: int = 0,
        fragmented: bool = False,
        shift_s: Fraction = Fraction(0),
        cut_frames: int = 0,
    ) -> None:
        """``cut_frames`` of the input's frames come before the first one of the output: so much later is its timecode."""
        self._passthrough = passthrough
        self._shift_s = shift_s
        self._carriers: dict[int, Carrier] = {}
        self._last_dts: dict[int, int] = {}
        # Matroska takes packets of the same time.
        self._step = 0 if container.format in ("matroska", "webm") else 1
        self.lost_packets = 0
        """Packets of copied streams that were too damaged to be written."""
        plan = plan or Plan()
        templates = passthrough.streams if passthrough else []
        kept = set(plan.carried) | set(plan.attached)
        if fragmented:
            # A fragment waits for every stream: one line of subtitles in an hour would keep the whole hour in memory.
            kept = {s.index for s in templates if s.index in kept and s.type == "audio"}
        metadata = kept_metadata(passthrough.container.metadata) if passthrough and plan.described else {}
        # A fragmented file has no room for a stream of one packet, and without a rate a timecode counts nothing.
        self._timecode_rate = None if fragmented else info.rate
        self._cut_frames = cut_frames
        metadata = self._with_moved_timecode(metadata)
        self._output = av.open(
            str(file) if isinstance(file, Path) else file,
            "w",
            format=container.format,
            container_options=_options(
                container, info, metadata, templates, fragmented=fragmented, index_first=isinstance(file, Path)
            ),
        )
        self._video: VideoStream | None = None
        for template in templates:
            if template.index == video_index:
                self._video = self._add_video(add_video, info, template)
            elif template.index in plan.attached and template.index in kept:
                self._attach(template)
            elif template.index in kept:
                self._carry(template, plan.carried[template.index])
        self.video = self._video or self._add_video(add_video, info, None)
        """The video stream of the output."""
        if passthrough is not None:
            self._output.metadata.update(metadata)
            if not fragmented and plan.described:
                self._output.set_chapters(moved_chapters(passthrough, info, shift_s))
            passthrough.start([s for s in templates if s.index in self._carriers])

    @property
    def streams(self) -> list[Stream]:
        """The streams of the output."""
        return list(self._output.streams)

    def write(self, packet: Packet[Any]) -> None:
        """Write a packet of the video, and before it what belongs before it. Raises FFmpeg's errors."""
        self._output.start_encoding()  # only then the ticks of its streams are known
        ticks = packet.dts if packet.dts is not None else packet.pts
        self._copy((ticks or 0) * packet.time_base)
        packet.stream = self.video
        self._output.mux_one(packet)

    def finish(self, until_s: Fraction | None = None) -> None:
        """Write the rest of the copied streams, up to ``until_s`` where the video was stopped there, and the trailer."""
        self._copy(until_s)
        for carrier in self._carriers.values():
            self._mux(carrier, carrier.end())
        self._output.close()

    def abort(self) -> None:
        """Close without caring for the result. Never raises."""
        with suppress(ValueError, av.error.FFmpegError, OSError):
            self._output.close()

    def _add_video(self, add_video: AddVideo, info: StreamInfo, template: Stream | None) -> VideoStream:
        video = add_video(self._output)
        video.set_display_matrix(info.display_matrix)
        if template is not None:
            video.metadata.update(self._with_moved_timecode(kept_metadata(template.metadata)))
            video.disposition = template.disposition
        return video

    def _with_moved_timecode(self, metadata: dict[str, str]) -> dict[str, str]:
        timecode = metadata.pop("timecode", None)
        if timecode is not None and self._timecode_rate is not None:
            moved = moved_timecode(timecode, self._cut_frames, self._timecode_rate)
            return metadata if moved is None else metadata | {"timecode": moved}
        return metadata

    def _attach(self, template: Stream) -> None:
        if isinstance(template, AttachmentStream):
            self._output.add_attachment(template.name or "attachment", template.mimetype or "", template.data)
        elif self._passthrough is not None:
            kind = cover_type(template) or ""
            # Matroska's own name for it, by which players find it.
            name = "cover.png" if kind.endswith("png") else "cover.jpg"
            self._output.add_attachment(name, kind, self._passthrough.cover(template.index))

    def _carry(self, template: Stream, encoder: str | None) -> None:
        carrier = new_carrier(self._output, template, encoder)
        carrier.stream.metadata.update(kept_metadata(template.metadata))
        if self._output.format.name == "mov" and template.language in _LANGUAGES_OF_MOV:
            carrier.stream.metadata["language"] = _LANGUAGES_OF_MOV[template.language]
        carrier.stream.disposition = template.disposition
        self._carriers[template.index] = carrier

    def _copy(self, until_s: Fraction | None) -> None:
        if self._passthrough is None:
            return
        for packet in self._passthrough.before(None if until_s is None else until_s - self._shift_s):
            self._complete_times(packet)
            carrier = self._carriers[packet.stream_index]
            self._mux(carrier, carrier.take(packet))

    def _mux(self, carrier: Carrier, packets: Iterator[Packet[Any]]) -> None:
        try:
            for packet in packets:
                packet.stream = carrier.stream
                self._put_in_order(packet, carrier.stream)
                self._output.mux_one(packet)
        except (av.error.InvalidDataError, av.error.ArgumentError):
            # A damaged packet is no reason to lose the video.
            self.lost_packets += 1

    def _complete_times(self, packet: Packet[Any]) -> None:
        """Give a packet both of its times, moved as the video is."""
        shift = round(self._shift_s / packet.time_base) if self._shift_s else 0
        pts = packet.pts if packet.pts is not None else packet.dts
        dts = packet.dts if packet.dts is not None else packet.pts
        if pts is not None and dts is not None:
            packet.pts, packet.dts = max(pts, dts) + shift, dts + shift

    def _put_in_order(self, packet: Packet[Any], stream: Stream) -> None:
        """Times that step back, or stand still where the container's must not: one tick on is the least.

        The file may be damaged, or hold times so coarse that several packets share one. The tick is the output's: in the
        input's, a stream whose packets are shorter than a tick would drift.
        """
        if packet.dts is None or packet.pts is None:
            return
        tick = stream.time_base or packet.time_base
        dts, pts = round(packet.dts * packet.time_base / tick), round(packet.pts * packet.time_base / tick)
        earliest = self._last_dts.get(stream.index)
        if earliest is not None and dts < earliest + self._step:
            dts = earliest + self._step
            packet.duration = round((packet.duration or 0) * packet.time_base / tick)
            packet.dts, packet.pts, packet.time_base = dts, max(pts, dts), tick
        self._last_dts[stream.index] = dts


def _options(
    container: Container,
    info: StreamInfo,
    metadata: dict[str, str],
    templates: list[Stream],
    *,
    fragmented: bool,
    index_first: bool,
) -> dict[str, str]:
    if container.format == "mpegts":
        # Times as they are: the muxer would add 1.4 s for decoders of broadcasts.
        return {"mpegts_copyts": "1", "muxdelay": "0", "muxpreload": "0", "flush_packets": "1"}
    if not container.two_steps:
        # Sound starts a little before 0, so that its decoder is warm: Matroska can say so. Moved to 0, all would be late.
        return {"flush_packets": "1", "avoid_negative_ts": "disabled"}
    ticks = container.time_base(info.time_base).denominator
    flags = ["frag_keyframe", "delay_moov", "default_base_moof"] if fragmented else ["faststart"] if index_first else []
    if any(key.lower() not in _MP4_KEYS for key in metadata):
        flags.append("use_metadata_tags")
    options = {
        "video_track_timescale": str(ticks),
        # An edit list tells delays in ticks of the movie: the default of 1000 would round them.
        "movie_timescale": str(_movie_ticks(ticks, templates)),
        # The marks of 360° and stereo pictures are Google's, not ISO's.
        "strict": "unofficial",
    }
    if flags:
        options["movflags"] = "+".join(flags)
    if fragmented:
        options |= {"frag_duration": "1000000", "flush_packets": "1"}
    return options


def _movie_ticks(video_ticks: int, templates: list[Stream]) -> int:
    """Ticks a second in which the start of the video and, where it can be, of every sound is a whole number."""
    rates = [s.time_base.denominator for s in templates if s.type == "audio" and s.start_time and s.time_base]
    exact = lcm(video_ticks, *rates)
    return exact if exact <= _MOST_TICKS else video_ticks
