"""The first packets of each stream of a recording, to try on a container what will be written to it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream

from streamer.sources.passthrough import Passthrough

_PACKETS_OF_EACH = 8
_SOUND_S = 0.3
# Beyond these a stream that has not begun (a subtitle after an hour) is tried without packets.
_MOST_PACKETS = 4_000
_MOST_BYTES = 32_000_000


class Samples:
    """The same to a muxer as a :class:`Passthrough`, but with the first packets of each stream only, any number of times."""

    def __init__(self, passthrough: Passthrough, video_index: int) -> None:
        """Reads from ``passthrough``, which is not started and serves for nothing else, and is closed by its owner."""
        self._passthrough = passthrough
        self.container: InputContainer = passthrough.container
        self.shift_s, self.cut_end_s = passthrough.shift_s, passthrough.cut_end_s
        self.chapter_tracks = {s.index for s in self.streams if s.type == "data" and s.discard == Discard.all}
        """Indexes of the data streams that hold titles of chapters, which the container reads and writes as chapters."""
        self._packets: dict[int, list[Packet[Any]]] = {s.index: [] for s in self.streams}
        self._wanted: list[int] = []
        self._read(video_index)

    @property
    def streams(self) -> list[Stream]:
        """All streams in the order of the file."""
        return self._passthrough.streams

    def of(self, index: int) -> Iterator[Packet[Any]]:
        """Fresh copies of the first packets of one stream."""
        for packet in self._packets[index]:
            yield _copy(packet)

    def rewind(self, index: int) -> None:
        """Make the stream's decoder forget what it was given."""
        context = self.container.streams[index].codec_context
        if context is not None and context.is_open:
            context.flush_buffers()

    @property
    def start_s(self) -> Fraction:
        """The least time of all packets, 0 where there is none."""
        times = [p.dts * p.time_base for packets in self._packets.values() for p in packets if p.dts is not None]
        return min(times, default=Fraction(0))

    def cover(self, index: int) -> bytes:
        """As :meth:`Passthrough.cover`."""
        return self._passthrough.cover(index)

    def start(self, streams: list[Stream]) -> None:
        """Say which streams are wanted."""
        self._wanted = [stream.index for stream in streams]
        for index in self._wanted:
            self.rewind(index)

    def before(self, time_s: Fraction | None) -> Iterator[Packet[Any]]:  # noqa: ARG002  # the interface of Passthrough
        """All packets at once, in order of their times; nothing from the second call on."""
        packets = [packet for index in self._wanted for packet in self.of(index)]
        self._wanted = []
        yield from sorted(packets, key=lambda packet: (packet.dts or packet.pts or 0) * packet.time_base)

    def _read(self, video_index: int) -> None:
        waiting = {s.index for s in self.streams if s.index != video_index and s.index not in self.chapter_tracks}
        waiting -= {s.index for s in self.streams if s.type == "attachment"}
        packets = size = 0
        if not waiting:
            return
        try:
            for packet in self.container.demux():
                packets, size = packets + 1, size + packet.size
                found = self._packets[packet.stream_index]
                if packet.size and packet.stream_index in waiting:
                    found.append(packet)
                    if _enough(found):
                        waiting.remove(packet.stream_index)
                if not waiting or packets >= _MOST_PACKETS or size >= _MOST_BYTES:
                    return
        except (av.error.FFmpegError, OSError):
            # Damage is counted by the reader of the picture: what came until here has to do.
            return


def _enough(packets: list[Packet[Any]]) -> bool:
    """Whether the packets of a stream show what it is: of sound, whose packets may last a millisecond, more are needed."""
    stream = packets[0].stream
    if stream.disposition & Disposition.attached_pic:
        return True
    if stream.type != "audio":
        return len(packets) >= _PACKETS_OF_EACH
    lasts_s = ((packets[-1].dts or 0) - (packets[0].dts or 0)) * packets[0].time_base
    return len(packets) >= _PACKETS_OF_EACH and (lasts_s >= _SOUND_S or len(packets) >= _MOST_PACKETS // 4)


def _copy(packet: Packet[Any]) -> Packet[Any]:
    """A packet of its own, as a muxer changes those that it is given."""
    copied: Packet[Any] = Packet(bytes(packet))
    copied.stream, copied.time_base = packet.stream, packet.time_base
    copied.pts, copied.dts, copied.duration = packet.pts, packet.dts, packet.duration or 0
    copied.is_keyframe = packet.is_keyframe
    for data in packet.iter_sidedata():
        data.to_packet(copied)
    return copied
