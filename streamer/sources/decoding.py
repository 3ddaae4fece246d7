"""From the packets of one video stream to its frames, past what is damaged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from streamer.runtime import pyav
from streamer.sources.clock import Clock
from streamer.sources.opening import is_url, open_container, reading_error

_MAX_READ_ERRORS = 100
# Packets of one group of pictures that are kept for decoding a damaged end once more.
_MAX_GROUP = 600


class Decoder:
    """Decodes one recording; what cannot be read or decoded whole is counted and passed over."""

    def __init__(self, path: str, interrupted: threading.Event) -> None:
        """``interrupted`` ends the frames before the next packet."""
        self._path = path
        self._interrupted = interrupted
        self.damaged_packets = 0
        """Packets that could not be read or decoded whole, so far."""

    def frames(
        self, container: InputContainer, stream: VideoStream, *, clock: Clock | None = None, skip_to_s: Fraction | None = None
    ) -> Iterator[av.VideoFrame]:
        """All frames in presentation order, the decoder drained at the end. Raises a ``SourceError`` when reading fails.

        ``clock`` mends the times of packets. Groups of pictures that end before ``skip_to_s`` are read, but not decoded.
        """
        tail = _Tail()
        last_pts: int | None = None
        missing = 0
        packets = self._packets(container, stream)
        if clock is not None:
            packets = _on(clock, packets)
        if skip_to_s is not None:
            packets = _skipped(packets, skip_to_s)
        for packet in packets:
            if self._interrupted.is_set():
                return
            ending = packet.size == 0
            if not ending:
                self.damaged_packets += packet.is_corrupt
                missing += not packet.is_discard
                tail.add(packet)
            try:
                pictures = stream.decode(packet)
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.damaged_packets += not packet.is_corrupt
                pictures = []
            missing -= len(pictures)
            if ending and missing > 0 and tail.damaged(self.damaged_packets):
                # An error hides what the decoder still held behind it, and no decoder drains twice: decode that anew.
                pictures += self._decode_again(tail, stream.index, pictures[-1].pts if pictures else last_pts)
            for picture in pictures:
                last_pts = picture.pts if picture.pts is not None else last_pts
                yield picture

    def _decode_again(self, tail: _Tail, stream_index: int, after_pts: int | None) -> list[av.VideoFrame]:
        """What lies behind ``after_pts``, by another decoder without threads, in which an error delays nothing."""
        if is_url(self._path) or after_pts is None:
            return []
        pictures: list[av.VideoFrame] = []
        with open_container(self._path) as container:
            stream = container.streams.video[[s.index for s in container.streams.video].index(stream_index)]
            stream.codec_context.thread_count = 1
            for packet in [*tail.packets, _end_of(stream)]:
                try:
                    pictures += stream.codec_context.decode(packet)
                except av.error.FFmpegError:  # counted by the first decoder
                    continue
        return [picture for picture in pictures if picture.pts is not None and picture.pts > after_pts]

    def _packets(self, container: InputContainer, stream: VideoStream) -> Iterator[av.Packet[VideoStream]]:
        """Packets of the stream, and an empty one at the end; what cannot be read is counted and passed over."""
        errors = 0
        while True:
            try:
                for packet in container.demux(stream):
                    yield packet
                    if packet.size:
                        errors = 0
            except (av.error.InvalidDataError, av.error.PatchWelcomeError):
                errors += 1
                self.damaged_packets += 1
                if errors >= _MAX_READ_ERRORS:
                    yield _end_of(stream)
                    return
            except (av.error.FFmpegError, OSError) as error:
                raise reading_error(self._path, error) from error
            else:
                return


def _on(clock: Clock, packets: Iterator[av.Packet[VideoStream]]) -> Iterator[av.Packet[VideoStream]]:
    for packet in packets:
        if packet.size:
            clock.lead(packet)
        yield packet


def _skipped(packets: Iterator[av.Packet[VideoStream]], until_s: Fraction) -> Iterator[av.Packet[VideoStream]]:
    """The packets from two groups of pictures before ``until_s`` on: the later one may need the earlier."""
    kept = _Tail()
    for packet in packets:
        kept.add(packet)
        if packet.size == 0 or (packet.pts is not None and packet.pts * packet.time_base >= until_s):
            break
    yield from kept.packets
    yield from packets


class _Tail:
    """The last two groups of pictures as packets: from there a decoder can reach what another still held at the end."""

    def __init__(self) -> None:
        self._groups: tuple[list[av.Packet[VideoStream]], list[av.Packet[VideoStream]]] = ([], [])

    @property
    def packets(self) -> list[av.Packet[VideoStream]]:
        return [*self._groups[0], *self._groups[1]]

    def damaged(self, counted: int) -> bool:
        """Whether something in it may be damaged: marked so by the container, or counted in the file at all."""
        return counted > 0 or any(packet.is_corrupt for packet in self.packets)

    def add(self, packet: av.Packet[VideoStream]) -> None:
        """Take the next packet; a group that is too long is kept from its later part on, which may not be decodable."""
        if packet.is_keyframe:
            self._groups = (self._groups[1], [])
        self._groups[1].append(packet)
        if len(self._groups[1]) > _MAX_GROUP:
            self._groups = (self._groups[1], [])


def _end_of(stream: VideoStream) -> av.Packet[VideoStream]:
    """The packet that asks a decoder for all that it still holds."""
    packet: av.Packet[VideoStream] = av.Packet()  # type: ignore[assignment]  # its stream is set in the next line
    packet.stream = stream
    packet.time_base = pyav.fraction(stream.time_base) or Fraction(1, 90_000)
    return packet
