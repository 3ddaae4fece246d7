"""What a camera sends, still encoded, on its way to whoever keeps it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

Kind = Literal["video", "audio"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CameraPacket:
    """One whole encoded picture, or one packet of sound, bit for bit as the camera sent it."""

    kind: Kind
    data: bytes
    pts: int | None
    """The camera's own time stamp in ticks of ``time_base``; it may jump, and begins anew with each connection."""
    dts: int | None
    """When it is to be decoded, in the same ticks, where the stream says so."""
    time_base: Fraction
    key: bool
    """Whether a file can begin with it; of sound always false."""
    arrived_s: float
    """Monotonic seconds when it came."""
    utc_s: float
    """Seconds since 1970 when it was captured, or when it came: see ``camera_clock``."""
    camera_clock: bool
    """Whether ``utc_s`` is by the camera's clock, which RTCP tells; else it is when the packet came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedStream:
    """What is known of one stream before its first packet."""

    codec: str
    """FFmpeg's name, such as ``h264``."""
    extradata: bytes | None
    """What the decoder needs besides the packets; of H.264 and H.265 perhaps nothing yet: their key frames carry it."""
    rate: Fraction | None
    """Pictures a second as far as the stream tells; None for sound."""
    header: bytes | None
    """The stream's parameters as a NUT file; None where FFmpeg does not know them all yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraStreams:
    """The streams of one connection: its video and, where there is any, its sound."""

    video: EncodedStream
    audio: EncodedStream | None = None


class PacketTap(Protocol):
    """Is handed everything that a connection reads, by the connection's thread. Its methods never wait, and never raise."""

    def begin(self, streams: CameraStreams) -> None:
        """A connection is open: all packets up to the next call are of these streams."""
        ...

    def take(self, packet: CameraPacket) -> None:
        """The next packet, in the order of arrival."""
        ...


class Taps:
    """Implements ``PacketTap``: hands everything to each of several."""

    def __init__(self, *taps: PacketTap) -> None:
        self._taps = taps

    def begin(self, streams: CameraStreams) -> None:
        """A connection is open."""
        for tap in self._taps:
            tap.begin(streams)

    def take(self, packet: CameraPacket) -> None:
        """The next packet."""
        for tap in self._taps:
            tap.take(packet)


def describe(stream: VideoStream | AudioStream, rate: Fraction | None = None) -> EncodedStream:
    """What is known of ``stream``, which may be closed afterwards."""
    context = stream.codec_context
    header = _header(lambda container: container.add_stream_from_template(stream, opaque=True))
    return EncodedStream(codec=context.name, extradata=context.extradata, rate=rate, header=header)


def describe_decoded(stream: AudioStream) -> EncodedStream:
    """What ``stream`` becomes as ``pcm_s16le``: its decoded samples in 16 bits."""

    def add(container: OutputContainer) -> AudioStream:
        added = container.add_stream("pcm_s16le", rate=stream.codec_context.sample_rate)
        added.codec_context.layout = "mono" if stream.codec_context.layout.nb_channels == 1 else "stereo"
        return added

    return EncodedStream(codec="pcm_s16le", extradata=None, rate=None, header=_header(add))


def _header(add: Callable[[OutputContainer], Stream]) -> bytes | None:
    """PyAV makes a stream for writing only after one that is open for reading: so its parameters travel as a small file."""
    memory = io.BytesIO()
    try:
        with av.open(memory, "w", format="nut") as container:
            copy = add(container)
            packet = Packet(b"\0\0")  # a file without any is not read
            packet.pts = packet.dts = 0
            packet.stream = copy
            container.mux_one(packet)
    except (av.error.FFmpegError, ValueError):
        return None
    return memory.getvalue()
