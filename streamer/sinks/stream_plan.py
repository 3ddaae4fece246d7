"""Which streams of a recording go into the output, and how: decided by writing some packets of each and reading them back."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass, field, replace

import av
import av.error
from av.codec.context import CodecContext
from av.stream import AttachmentStream, Disposition, Stream

from streamer.sinks.carriers import carrier
from streamer.sinks.containers import Container
from streamer.sinks.samples import Samples

_NAMES = {"aac": "AAC", "libopus": "Opus", "mov_text": "mov_text", "subrip": "SRT", "webvtt": "WebVTT"}
# Said by the writer of a file about itself; true of the input only.
_OF_THE_FILE = frozenset({"encoder", "major_brand", "minor_version", "compatible_brands", "duration", "rotate", "vendor_id"})
# FFmpeg tells the codecs of a transport stream by their packets, and guesses where there are fewer.
_TELLING_PACKETS = 8
_Failures = (av.error.FFmpegError, OSError, ValueError)


@dataclass(slots=True)
class Plan:
    """Which streams of the input go into a container, and what is said about those that do not."""

    carried: dict[int, str | None] = field(default_factory=dict)
    """Index of each stream that goes on packet by packet: to the encoder that writes it anew, or to None where it is copied."""
    attached: list[int] = field(default_factory=list)
    """Indexes of attachments (fonts) and covers, which are copied with the header."""
    notes: list[str] = field(default_factory=list)
    """What is left out or changed, one sentence each."""
    described: bool = True
    """Whether chapters and metadata go along."""

    def without(self, kind: str, streams: list[Stream]) -> Plan:
        """The same without the streams of a kind, of which not all are found again in what is written together."""
        gone = {s.index for s in streams if s.type == kind}
        names = ", ".join(stream_label(s) for s in streams if s.index in gone & (set(self.carried) | set(self.attached)))
        return replace(
            self,
            carried={index: encoder for index, encoder in self.carried.items() if index not in gone},
            attached=[index for index in self.attached if index not in gone],
            notes=[*self.notes, f"{names} is left out: the container does not hold it together with the rest"],
        )

    def sound_only(self, streams: list[Stream]) -> Plan:
        """The sound beside the picture, without the rest: for a container that does not take everything together."""
        sound = {s.index: self.carried[s.index] for s in streams if s.type == "audio" and s.index in self.carried}
        note = "only picture and sound are kept: the container does not take the rest together"
        return Plan(carried=sound, notes=[*self.notes, note], described=False)

    def nothing(self) -> Plan:
        """Nothing but the picture."""
        note = "only the picture is kept: the container does not take the other streams together with it"
        return Plan(notes=[*self.notes, note], described=False)


def plan_streams(samples: Samples, video_index: int, container: Container, *, audio: bool = True) -> Plan:
    """Decide for every stream of the input but the video that is shown; ``audio=False`` leaves sound out without a word."""
    plan = Plan()
    for stream in samples.streams:
        if stream.index == video_index or (stream.type == "audio" and not audio) or _said_elsewhere(stream, samples):
            continue
        label = stream_label(stream)
        if stream.type == "video" and not stream.disposition & Disposition.attached_pic:
            plan.notes.append(f"{label} is left out: one video stream is annotated and kept")
        elif container.format == "matroska" and (isinstance(stream, AttachmentStream) or cover_type(stream)):
            plan.attached.append(stream.index)
        else:
            _choose(plan, stream, label, samples, container)
    if not container.described:
        chapters, metadata = len(samples.container.chapters()), kept_metadata(samples.container.metadata)
        if chapters:
            plan.notes.append(f"the {chapters} chapters are left out: {container.format} holds none")
        if metadata:
            plan.notes.append(f"metadata ({', '.join(metadata)}) is left out: {container.format} holds none")
    return plan


def _choose(plan: Plan, stream: Stream, label: str, samples: Samples, container: Container) -> None:
    if isinstance(stream, AttachmentStream):
        plan.notes.append(f"{label} is left out: {container.format} cannot hold it")
        return
    if stream.disposition & Disposition.attached_pic and container.format != "mp4":
        plan.notes.append(f"{label} is left out: {container.format} cannot hold it")
        return
    for encoder in (None, *container.encoders_for(stream.type)):
        if _holds(stream, encoder, samples, container):
            plan.carried[stream.index] = encoder
            if encoder is not None:
                name = _NAMES.get(encoder, encoder)
                plan.notes.append(f"{label} is transcoded to {name}: {container.format} cannot hold it as it is")
            return
    plan.notes.append(f"{label} is left out: {container.format} cannot hold it")


def _said_elsewhere(stream: Stream, samples: Samples) -> bool:
    """Whether the stream only repeats what the container makes a stream of by itself: chapter titles, a timecode."""
    if stream.type != "data":
        return False
    return "timecode" in stream.metadata or (stream.index in samples.chapter_tracks)


def kept_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """``metadata`` without what the writer of the input said about that very file."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _OF_THE_FILE and not key.upper().startswith(("_STATISTICS", "NUMBER_OF_", "DURATION", "BPS"))
    }


def stream_label(stream: Stream) -> str:
    """The stream for people: kind, number, codec and language."""
    language = f", {stream.language}" if stream.language not in (None, "und") else ""
    kind = "cover picture" if stream.disposition & Disposition.attached_pic else stream.type
    codec = codec_of(stream) or "unknown"
    return f"{kind} stream #{stream.index} ({codec}{language})"


def cover_type(stream: Stream) -> str | None:
    """The media type of a cover picture, None for any other stream."""
    if not stream.disposition & Disposition.attached_pic:
        return None
    return {"mjpeg": "image/jpeg", "png": "image/png"}.get(stream.name or "")


def _holds(stream: Stream, encoder: str | None, samples: Samples, container: Container) -> bool:
    """Whether the container can be written with this stream alone, trailer and all, and gives the same kind back."""
    file = io.BytesIO()
    output = av.open(file, "w", format=container.format)
    written = 0
    wanted: str | None = None
    try:
        way = carrier(output, stream, encoder)
        wanted = codec_of(stream if encoder is None else way.stream)
        output.start_encoding()
        for packet in samples.of(stream.index):
            with suppress(av.error.InvalidDataError):  # a damaged packet says nothing about the container
                for carried in way.take(packet):
                    carried.stream = way.stream
                    output.mux_one(carried)
                    written += 1
        for carried in way.end():
            carried.stream = way.stream
            output.mux_one(carried)
            written += 1
        output.close()
    except _Failures:
        return False
    finally:
        with suppress(*_Failures):
            output.close()
        samples.rewind(stream.index)
    return not written or _reads_back(file, stream.type, wanted if written >= _TELLING_PACKETS else None)


def _reads_back(file: io.BytesIO, kind: str, codec: str | None) -> bool:
    """Whether there is a stream of this kind, and of this codec unless that is None, in a file that was written."""
    file.seek(0)
    try:
        with av.open(file, "r") as written:
            return any(stream.type == kind and codec in (None, codec_of(stream)) for stream in written.streams)
    except _Failures:
        return False


def codec_of(stream: Stream) -> str | None:
    """The codec's name, the same for all its encoders and decoders; None for an unknown one."""
    context: CodecContext | None = stream.codec_context  # None for data, and for codecs that FFmpeg only names
    return getattr(stream, "name", None) if context is None else context.codec.canonical_name
