"""One container being written: encoded video in step with the copied streams of the input."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Disposition, Stream
from av.video.stream import VideoStream

from streamer.frame import StreamInfo
from streamer.sinks.containers import Container
from streamer.sources.passthrough import Passthrough

AddVideo = Callable[[OutputContainer], VideoStream]
"""Adds the video stream to a container, at its place in the order of the streams."""

# Said by the writer of a file about itself; true of the input only.
_OF_THE_FILE = frozenset({"encoder", "major_brand", "minor_version", "compatible_brands", "duration", "rotate", "vendor_id"})
# What MP4 stores without being told to store any key.
_MP4_KEYS = frozenset(
    {
        *("title", "artist", "album_artist", "composer", "album", "date", "creation_time", "comment", "genre", "copyright"),
        *("synopsis", "description", "lyrics", "show", "episode_id", "network", "keywords", "grouping", "location"),
        *("location-eng", "make", "model", "track", "disc", "timecode"),
    }
)
_MOST_TICKS = 2**31 - 1


@dataclass(slots=True)
class Plan:
    """Which streams of the input go into a container, and what is said about those that do not."""

    copied: list[int] = field(default_factory=list)
    """Indexes of streams whose packets are copied."""
    attached: list[int] = field(default_factory=list)
    """Indexes of attachments (fonts), which are copied with the header."""
    notes: list[str] = field(default_factory=list)


def plan_streams(passthrough: Passthrough, video_index: int, container: Container) -> Plan:
    """Decide by trying: a stream is copied when the container's header can be written with it."""
    plan = Plan()
    chapters = bool(passthrough.container.chapters())
    for stream in passthrough.streams:
        if stream.index == video_index or (chapters and stream.type == "data" and stream.name == "bin_data"):
            continue
        if stream.type == "data" and "timecode" in stream.metadata:
            # Stands in the metadata too, from which MOV and MP4 make such a stream of their own.
            continue
        label = _label(stream)
        if stream.type == "video" and not stream.disposition & Disposition.attached_pic:
            plan.notes.append(f"{label} is left out: one video stream is annotated and kept")
        elif container.format == "matroska" and (isinstance(stream, AttachmentStream) or _cover_type(stream)):
            plan.attached.append(stream.index)
        elif _fits(stream, container):
            plan.copied.append(stream.index)
        else:
            plan.notes.append(f"{label} is left out: {container.format} cannot hold it")
    return plan


def _label(stream: Stream) -> str:
    language = f", {stream.language}" if stream.language not in (None, "und") else ""
    kind = "cover picture" if stream.disposition & Disposition.attached_pic else stream.type
    codec = getattr(stream, "name", None) or "unknown"
    return f"{kind} stream #{stream.index} ({codec}{language})"


def _cover_type(stream: Stream) -> str | None:
    """The media type of a cover picture, None for any other stream."""
    if not stream.disposition & Disposition.attached_pic:
        return None
    return {"mjpeg": "image/jpeg", "png": "image/png"}.get(stream.name or "")


def _fits(stream: Stream, container: Container) -> bool:
    if isinstance(stream, AttachmentStream):
        return False
    if stream.disposition & Disposition.attached_pic and container.format not in ("mp4", "mov"):
        return False
    trial = av.open(io.BytesIO(), "w", format=container.format)
    try:
        _add_copy(trial, stream)
        trial.start_encoding()
    except (ValueError, av.error.FFmpegError, OSError):
        return False
    finally:
        with suppress(ValueError, av.error.FFmpegError, OSError):
            trial.close()
    return True


def _add_copy(output: OutputContainer, template: Stream) -> Stream:
    added = output.add_stream_from_template(template, opaque=True)
    added.metadata.update(kept_metadata(template.metadata))
    added.disposition = template.disposition
    return added


def kept_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """``metadata`` without what the writer of the input said about that very file."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _OF_THE_FILE and not key.upper().startswith(("_STATISTICS", "NUMBER_OF_", "DURATION", "BPS"))
    }


class Muxer:
    """Writes one container. Used by one thread; ends with :meth:`finish` or :meth:`abort`."""

    def __init__(
        self,
        path: Path,
        container: Container,
        info: StreamInfo,
        add_video: AddVideo,
        *,
        passthrough: Passthrough | None = None,
        plan: Plan | None = None,
        video_index: int = 0,
        fragmented: bool = False,
        bare: bool = False,
        shift_s: Fraction = Fraction(0),
    ) -> None:
        """``bare`` leaves out all but picture and sound: chapters, metadata, subtitles, covers."""
        self._passthrough = passthrough
        self._shift_s = shift_s
        self._streams: dict[int, Stream] = {}
        self._filters: dict[int, BitStreamFilterContext] = {}
        self._last_dts: dict[int, int] = {}
        self.lost_packets = 0
        """Packets of copied streams that were too damaged to be written."""
        plan = plan or Plan()
        templates = passthrough.streams if passthrough else []
        kept = set(plan.copied) | set(plan.attached)
        if fragmented or bare:
            # A fragment waits for every stream: one line of subtitles in an hour would keep the whole hour in memory.
            kept = {s.index for s in templates if s.index in kept and s.type == "audio"}
        metadata = kept_metadata(passthrough.container.metadata) if passthrough and not bare else {}
        self._without_timecode = fragmented or info.rate is None
        if self._without_timecode:
            # A fragmented file has no room for a stream of one packet, and without a rate a timecode counts nothing.
            metadata.pop("timecode", None)
        self._output = av.open(
            str(path),
            "w",
            format=container.format,
            container_options=_options(container, info, metadata, fragmented, templates),
        )
        self._video: VideoStream | None = None
        for template in templates:
            if template.index == video_index:
                self._video = self._add_video(add_video, info, template)
            elif template.index in plan.attached and template.index in kept:
                self._attach(template)
            elif template.index in kept:
                self._streams[template.index] = _add_copy(self._output, template)
                if template.name == "aac" and not template.codec_context.extradata and container.format != "mpegts":
                    # From a transport stream: its headers stand in each packet, elsewhere once in the file's.
                    self._filters[template.index] = BitStreamFilterContext("aac_adtstoasc", template)
        self.video = self._video or self._add_video(add_video, info, None)
        """The video stream of the output."""
        if passthrough is not None:
            self._output.metadata.update(metadata)
            if not fragmented and not bare:
                self._output.set_chapters(_moved_chapters(passthrough, info, shift_s))
            passthrough.start([s for s in templates if s.index in self._streams])

    def write(self, packet: Packet[Any]) -> None:
        """Write a packet of the video, and before it what belongs before it. Raises FFmpeg's errors."""
        ticks = packet.dts if packet.dts is not None else packet.pts
        self._copy((ticks or 0) * packet.time_base)
        packet.stream = self.video
        self._output.mux_one(packet)

    def finish(self, until_s: Fraction | None = None) -> None:
        """Write the rest of the copied streams, up to ``until_s`` where the video was stopped there, and the trailer."""
        self._copy(until_s)
        self._output.close()

    def abort(self) -> None:
        """Close without caring for the result. Never raises."""
        with suppress(ValueError, av.error.FFmpegError, OSError):
            self._output.close()

    def _add_video(self, add_video: AddVideo, info: StreamInfo, template: Stream | None) -> VideoStream:
        video = add_video(self._output)
        video.set_display_matrix(info.display_matrix)
        if template is not None:
            video.metadata.update(kept_metadata(template.metadata))
            if self._without_timecode:
                video.metadata.pop("timecode", None)
            video.disposition = template.disposition
        return video

    def _attach(self, template: Stream) -> None:
        if isinstance(template, AttachmentStream):
            self._output.add_attachment(template.name or "attachment", template.mimetype or "", template.data)
        elif self._passthrough is not None:
            kind = _cover_type(template) or ""
            # Matroska's own name for it, by which players find it.
            name = "cover.png" if kind.endswith("png") else "cover.jpg"
            self._output.add_attachment(name, kind, self._passthrough.cover(template.index))

    def _copy(self, until_s: Fraction | None) -> None:
        if self._passthrough is None:
            return
        for packet in self._passthrough.before(None if until_s is None else until_s - self._shift_s):
            index = packet.stream_index
            self._mend_times(packet)
            try:
                for filtered in self._filters[index].filter(packet) if index in self._filters else (packet,):
                    filtered.stream = self._streams[index]
                    self._output.mux_one(filtered)
            except (av.error.InvalidDataError, av.error.ArgumentError):
                # A damaged packet of a copied stream is no reason to lose the video.
                self.lost_packets += 1

    def _mend_times(self, packet: Packet[Any]) -> None:
        """Copied packets of a damaged file may step back in time, which no container takes: one tick on is the least."""
        shift = round(self._shift_s / packet.time_base) if self._shift_s else 0
        pts = packet.pts if packet.pts is not None else packet.dts
        dts = packet.dts if packet.dts is not None else packet.pts
        if pts is None or dts is None:
            return
        pts, dts = pts + shift, dts + shift
        last = self._last_dts.get(packet.stream_index)
        if last is not None and dts <= last and packet.stream.type == "audio":
            dts = last + 1
        packet.dts, packet.pts = dts, max(pts, dts)
        self._last_dts[packet.stream_index] = dts


def _options(
    container: Container, info: StreamInfo, metadata: dict[str, str], fragmented: bool, templates: list[Stream]
) -> dict[str, str]:
    if container.format == "mpegts":
        # Times as they are: the muxer would add 1.4 s for decoders of broadcasts.
        return {"mpegts_copyts": "1", "muxdelay": "0", "muxpreload": "0", "flush_packets": "1"}
    if not container.two_steps:
        # Sound starts a little before 0, so that its decoder is warm: Matroska can say so. Moved to 0, all would be late.
        return {"flush_packets": "1", "avoid_negative_ts": "disabled"}
    ticks = container.time_base(info.time_base).denominator
    flags = ["frag_keyframe", "delay_moov", "default_base_moof"] if fragmented else ["faststart"]
    if any(key.lower() not in _MP4_KEYS for key in metadata):
        flags.append("use_metadata_tags")
    options = {
        "video_track_timescale": str(ticks),
        # An edit list tells delays in ticks of the movie: the default of 1000 would round them.
        "movie_timescale": str(_movie_ticks(ticks, templates)),
        "movflags": "+".join(flags),
        # The marks of 360° and stereo pictures are Google's, not ISO's.
        "strict": "unofficial",
    }
    if fragmented:
        options |= {"frag_duration": "1000000", "flush_packets": "1"}
    return options


def _movie_ticks(video_ticks: int, templates: list[Stream]) -> int:
    """Ticks a second in which the start of the video and, where it can be, of every sound is a whole number."""
    rates = [s.time_base.denominator for s in templates if s.type == "audio" and s.start_time and s.time_base]
    exact = lcm(video_ticks, *rates)
    return exact if exact <= _MOST_TICKS else video_ticks


def _moved_chapters(passthrough: Passthrough, info: StreamInfo, shift_s: Fraction) -> list[Any]:
    """The input's chapters, cut and moved as the video was."""
    moved = []
    end_s = passthrough.cut_end_s
    for chapter in passthrough.container.chapters():
        time_base = chapter["time_base"] or info.time_base
        difference_s = shift_s - passthrough.shift_s
        start = max(chapter["start"] + round(difference_s / time_base), 0 if passthrough.shift_s else chapter["start"])
        end = chapter["end"] + round(difference_s / time_base)
        if end_s is not None:
            end = min(end, round((end_s + difference_s) / time_base))
        if end > start:
            moved.append({**chapter, "start": start, "end": end})
    return moved
