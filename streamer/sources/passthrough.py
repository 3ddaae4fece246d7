"""The streams that are copied bit for bit: read by a container of their own, in step with the video."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream

from streamer.sources.clock import TS_DISCONT, Clock, jumps
from streamer.sources.opening import open_container, reading_error
from streamer.sources.video import VideoFile

# A cut begins to read so much earlier, for the subtitle that is on the screen where it begins.
_LONGEST_SUBTITLE_S = 30
# Packets that wait for the video to tell where they belong.
_MOST_WAITING = 500


class Passthrough:
    """Packets of a recording's other streams, as far as the video has come.

    It reads the file a second time, video left out, because that needs no memory however the file is interleaved, no lock
    between threads, and stops exactly where the video stopped.
    """

    def __init__(self, source: VideoFile) -> None:
        """``source`` must be open. Raises a ``SourceError``."""
        self._source = source
        # Of the stream that is shown no more than its times is asked for.
        self._undecoded = source.stream_index if source.tells_times_at_its_head else None
        self.container: InputContainer = open_container(source.path, undecoded=self._undecoded)
        self._jumps = False
        self._next: av.Packet[Stream] | None = None
        self._packets: Iterator[av.Packet[Stream]] = iter(())
        self._end_s: Fraction | None = None if source.end_s is None else Fraction(source.end_s)

    @property
    def streams(self) -> list[Stream]:
        """All streams, the video that is shown among them, in the order of the file."""
        return list(self.container.streams)

    @property
    def shift_s(self) -> Fraction:
        """Seconds that are taken from every time because of a cut."""
        return self._source.shift_s

    @property
    def cut_end_s(self) -> Fraction | None:
        """Where the input is cut off, seconds of its own clock; None at its end."""
        return None if self._end_s is None else self._end_s + Fraction(self.container.start_time or 0, 1_000_000)

    def cover(self, index: int) -> bytes:
        """The cover picture that is stream ``index``, as a file's bytes; empty where there is none."""
        with open_container(self._source.path) as container:
            for stream in container.streams:
                if stream.index != index:
                    stream.discard = Discard.all
            for packet in container.demux(container.streams[index]):
                return bytes(packet)
        return b""

    def start(self, streams: list[Stream]) -> None:
        """Say which streams are wanted, before the first call of :meth:`before`."""
        if not streams:
            return
        wanted = [stream.index for stream in streams]
        self._jumps = jumps(self.container)
        if self._jumps:
            # The video leads the clock of the others.
            wanted.append(self._source.stream_index)
        self._leave_out_others(wanted)
        origin_us = self.container.start_time or 0
        if self._source.start_s and not self._jumps:
            early_s = _LONGEST_SUBTITLE_S if any(stream.type == "subtitle" for stream in streams) else 0
            try:
                self.container.seek(max(0, int((self._source.start_s - early_s) * 1_000_000)) + origin_us)
            except av.error.FFmpegError:  # then from the start: what lies before the cut is passed over below
                self.container.close()
                self.container = open_container(self._source.path, undecoded=self._undecoded)
                self._leave_out_others(wanted)
        self._packets = self._wanted([self.container.streams[index] for index in wanted], Fraction(origin_us, 1_000_000))
        self._next = next(self._packets, None)

    def before(self, time_s: Fraction | None) -> Iterator[av.Packet[Stream]]:
        """Packets in the order of the file that begin before ``time_s`` (of the output); all of them where it is None."""
        while self._next is not None and (time_s is None or _time_s(self._next) < time_s):
            packet, self._next = self._next, next(self._packets, None)
            yield packet

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        self._packets = iter(())
        self.container.close()

    def _leave_out_others(self, wanted: list[int]) -> None:
        for stream in self.container.streams:
            if stream.index not in wanted:
                stream.discard = Discard.all

    def _wanted(self, streams: list[Stream], origin_s: Fraction) -> Iterator[av.Packet[Stream]]:
        """Packets that overlap the cut, moved in time as the video is."""
        packets = self._read(streams)
        for packet in self._on_one_clock(packets) if self._jumps else packets:
            if packet.size == 0:
                continue
            if packet.stream.disposition & Disposition.attached_pic:
                packet.pts = packet.dts = 0
                yield packet
                continue
            if packet.pts is packet.dts is None:
                continue
            start_s = _time_s(packet) - origin_s
            end_s = start_s + (packet.duration or 0) * packet.time_base
            if self._source.start_s and end_s <= self._source.start_s:
                continue
            if self._end_s is not None and start_s >= self._end_s:
                continue
            if packet.stream.type == "subtitle" and packet.duration:
                self._clip(packet, start_s, end_s)
            if self._source.shift_s:
                shift = round(self._source.shift_s / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - shift
                packet.dts = None if packet.dts is None else packet.dts - shift
            yield packet

    def _on_one_clock(self, packets: Iterator[av.Packet[Stream]]) -> Iterator[av.Packet[Stream]]:
        """The packets without those of the video, their times moved as the picture's are where the clock begins anew."""
        clock = Clock(forward=bool(self.container.format.flags & TS_DISCONT))
        waiting: deque[av.Packet[Stream]] = deque()
        for packet in packets:
            if packet.size == 0:
                continue
            if packet.stream_index == self._source.stream_index:
                clock.lead(packet)
            else:
                waiting.append(packet)
            while waiting and clock.follow(waiting[0], ended=len(waiting) > _MOST_WAITING):
                yield waiting.popleft()
        for packet in waiting:
            clock.follow(packet, ended=True)
            yield packet

    def _clip(self, packet: av.Packet[Stream], start_s: Fraction, end_s: Fraction) -> None:
        """Let what is on the screen where the cut begins or ends begin and end with it."""
        begin_s = max(start_s, self._source.start_s or start_s)
        until_s = end_s if self._end_s is None else min(end_s, self._end_s)
        if (begin_s, until_s) != (start_s, end_s):
            late = round((begin_s - start_s) / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + late
            packet.dts = None if packet.dts is None else packet.dts + late
            packet.duration = round((until_s - begin_s) / packet.time_base)

    def _read(self, streams: list[Stream]) -> Iterator[av.Packet[Stream]]:
        errors = 0
        while True:
            try:
                for packet in self.container.demux(*streams):
                    yield packet
                    errors = 0
            except av.error.InvalidDataError:
                # The video's reader has counted it; the end of a cut-off file may answer so for ever.
                errors += 1
                if errors >= 100:
                    return
            except (av.error.FFmpegError, OSError) as error:
                raise reading_error(self._source.path, error) from error
            else:
                return


def _time_s(packet: av.Packet[Stream]) -> Fraction:
    ticks = packet.dts if packet.dts is not None else packet.pts
    return (ticks or 0) * packet.time_base
