"""What a connection reads, as whole packets for a tap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from streamer.errors import SourceLost
from streamer.sources.camera_clock import CameraClock
from streamer.sources.packets import CameraPacket, CameraStreams, Kind, PacketTap, describe, describe_decoded
from streamer.sources.whole_pictures import WholePicture, WholePictures, is_key, is_picture

_RTP = Fraction(1, 90_000)
_DECODED_SOUND = frozenset({"g726", "g726le"})
"""Sound that no container takes as it is."""
_KEY_IN_DATA = frozenset({"h264", "hevc"})
_ALL_KEYS = frozenset({"mjpeg"})
_START_CODES = (b"\x00\x00\x01", b"\x00\x00\x00\x01")
_MOST_STRANGE = 5
"""Packets in a row without a picture after which it is another codec: a few may be damaged, or hold parameters only."""


@dataclass(frozen=True, slots=True)
class ReadStreams:
    """The streams of a container that are read."""

    video: VideoStream
    audio: AudioStream | None = None

    @property
    def present(self) -> list[Stream]:
        """Those that there are."""
        return [self.video] if self.audio is None else [self.video, self.audio]


def sound_of(container: InputContainer) -> AudioStream | None:
    """The best sound of a container, if it has any in a format that is known."""
    audio = container.streams.best("audio")
    return audio if isinstance(audio, AudioStream) and audio.codec_context is not None else None


class TappedStreams:
    """Hands the packets of one connection to a tap: whole pictures, and sound (as samples where no file could hold it)."""

    def __init__(
        self,
        tap: PacketTap,
        streams: ReadStreams,
        *,
        pieces: bool,
        arrival: bool,
        rate: Fraction | None,
        wall: CameraClock,
        clock: Callable[[], float],
        utc: Callable[[], float],
    ) -> None:
        """``pieces``: pictures come in pieces, as RTP carries them. One is handed on when the next begins: of the last nothing
        tells whether it is whole. ``arrival``: time stamps are made up, and not handed on.
        """
        self._tap = tap
        video, audio = streams.video, streams.audio
        self._codec = video.codec_context.name
        self._whole = WholePictures() if pieces else None
        self._whole_came = (clock(), utc(), False)
        self._arrival = arrival
        self._strange = 0
        """Packets in a row that hold no picture of the codec."""
        self._decoder = audio.codec_context if audio is not None and audio.codec_context.name in _DECODED_SOUND else None
        self._time_base = video.time_base or _RTP
        self._sound_time_base = _RTP if audio is None else audio.time_base or _RTP
        self._wall, self._clock, self._utc = wall, clock, utc
        sound = None
        if audio is not None:
            sound = describe(audio) if self._decoder is None else describe_decoded(audio)
        tap.begin(CameraStreams(video=describe(video, rate), audio=sound))

    def take(self, packet: Packet[Any], *, video: bool) -> None:
        """Hand on a packet of either stream, which is not empty. Raises ``SourceLost`` where the codec changes."""
        if video and self._whole is not None:
            # There are hundreds of pieces a second: what is done for each is all that recording costs.
            whole = self._whole.push(bytes(packet), packet.pts, packet.dts, key=packet.is_keyframe)
            if self._whole.pieces > 1:
                return
            if whole is not None:
                self._send_whole(whole, self._whole_came)
            self._whole_came = self._came(packet, self._time_base)
        elif video:
            self._watch_codec(bytes(packet))
            pts, dts = (None, None) if self._arrival else (packet.pts, packet.dts)
            key = packet.is_keyframe or self._codec in _ALL_KEYS
            self._send("video", bytes(packet), pts, dts, self._time_base, key, self._came(packet, self._time_base))
        else:
            self._take_sound(packet, self._came(packet, self._sound_time_base))

    def _watch_codec(self, data: bytes) -> None:
        """Raise ``SourceLost`` where the camera goes over to another codec within a connection, as transport streams can.

        FFmpeg goes on telling of the codec that it began with, and what comes would be kept as that. Only a new connection
        finds out what it is.
        """
        if self._codec not in _KEY_IN_DATA or not data.startswith(_START_CODES) or is_picture(self._codec, data):
            self._strange = 0
            return
        self._strange += 1
        if self._strange == _MOST_STRANGE:
            raise SourceLost("the camera went over to another codec", hint="it is connected to again")

    def _came(self, packet: Packet[Any], time_base: Fraction) -> tuple[float, float, bool]:
        arrived_s, arrived_utc_s = self._clock(), self._utc()
        self._wall.hear(packet, arrived_utc_s)
        return (arrived_s, *self._wall.at(packet.pts, time_base, arrived_utc_s))

    def _send_whole(self, whole: WholePicture, came: tuple[float, float, bool]) -> None:
        key = is_key(self._codec, whole.data) if self._codec in _KEY_IN_DATA else self._codec in _ALL_KEYS or whole.key
        self._send("video", whole.data, whole.pts, whole.dts, self._time_base, key, came)

    def _take_sound(self, packet: Packet[Any], came: tuple[float, float, bool]) -> None:
        data = bytes(packet)
        if self._decoder is not None:
            try:
                data = b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in self._decoder.decode(packet))
            except av.error.FFmpegError:
                return  # a damaged packet of sound
        if data:
            self._send("audio", data, packet.pts, packet.dts, self._sound_time_base, False, came)

    def _send(
        self,
        kind: Kind,
        data: bytes,
        pts: int | None,
        dts: int | None,
        time_base: Fraction,
        key: bool,
        came: tuple[float, float, bool],
    ) -> None:
        self._tap.take(
            CameraPacket(
                kind=kind,
                data=data,
                pts=pts,
                dts=dts,
                time_base=time_base,
                key=key,
                arrived_s=came[0],
                utc_s=came[1],
                camera_clock=came[2],
            )
        )
