"""Clips out of a recording, without decoding: from a key frame on, and never shorter than asked where it is long enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from streamer.errors import OutputWriteFailed
from streamer.recording.segment_file import recording_note
from streamer.sinks.disk import why

AnyPacket: TypeAlias = "Packet[Any]"


def cut_file(
    path: str | Path, stream_index: int, start_s: float, end_s: float, target: Path, *, began_utc_s: float = 0.0
) -> tuple[float, float] | None:
    """Write a recording's video stream of that index, and its first sound, from the key frame at or before ``start_s`` on.

    It ends at ``end_s`` or a few pictures later. Times are those of the file's own stamps, in seconds; what comes back are
    those of the first picture and of the last one's end, or None where the recording holds nothing then. ``target`` appears
    whole or not at all; its ending says which container. It notes when it begins, as footage does: ``began_utc_s`` is when
    the stamps were 0, in seconds since 1970. Raises ``OutputWriteFailed``.
    """
    part = target.with_name(f".{target.stem}.partial{target.suffix}")
    try:
        for seeking in (True, False):  # an index that leads too far is worse than none
            with av.open(str(path)) as source:
                streams: list[Stream] = [source.streams[stream_index], *source.streams.audio[:1]]
                packets = _from_key_frame(source, streams, start_s, seeking=seeking)
                first = next(packets, None)
                if first is None or (seeking and _shown_s(first) > start_s):
                    continue
                with av.open(str(part), "w") as clip:
                    clip.metadata["comment"] = recording_note(began_utc_s + _shown_s(first))
                    span = _copy(first, packets, clip, streams, end_s)
            part.replace(target)
            return span
    except (av.error.FFmpegError, ValueError, OSError) as error:
        told = str(error) if isinstance(error, av.error.FFmpegError | ValueError) else why(error)
        raise OutputWriteFailed(f"the clip {target.name} cannot be written ({told})", hint="check the disk") from error
    finally:
        part.unlink(missing_ok=True)
    return None


def _from_key_frame(source: InputContainer, streams: Sequence[Stream], start_s: float, *, seeking: bool) -> Iterator[AnyPacket]:
    """The packets from the last key frame at or before ``start_s`` on, or from the first one that can be found."""
    video = streams[0]
    if seeking and video.time_base is not None:
        try:
            source.seek(int(start_s / video.time_base), stream=video)
        except av.error.FFmpegError:
            return  # it cannot be sought in
    waiting: list[AnyPacket] | None = []
    for packet in _with_decoding_times(source.demux(list(streams))):
        shown = packet.stream_index == video.index
        if waiting is None:
            yield packet
            continue
        if shown and packet.is_keyframe and _shown_s(packet) <= start_s:
            waiting.clear()
        if waiting or (shown and packet.is_keyframe):
            waiting.append(packet)
        if waiting and shown and _shown_s(packet) > start_s:
            yield from waiting
            waiting = None
    yield from waiting or ()


def _with_decoding_times(packets: Iterable[AnyPacket]) -> Iterator[AnyPacket]:
    """The packets, without what only ends a stream. Matroska holds no times of decoding: those of the first pictures, before
    FFmpeg can tell them, are counted back from the first one that is known."""
    early: dict[int, list[AnyPacket]] = {}
    known: set[int] = set()
    held: list[AnyPacket] = []
    for packet in packets:
        if packet.dts is None and packet.pts is None:
            continue
        index = packet.stream_index
        held.append(packet)
        if packet.dts is None and index in known:
            packet.dts = packet.pts
        elif packet.dts is None:
            early.setdefault(index, []).append(packet)
        elif index not in known:
            known.add(index)
            for back, each in enumerate(reversed(early.pop(index, [])), start=1):
                each.dts = packet.dts - back * (each.duration or 1)
        if not early:
            yield from held
            held.clear()
    for each in held:
        each.dts = each.pts if each.dts is None else each.dts
        yield each


def _copy(
    first: AnyPacket, others: Iterator[AnyPacket], clip: OutputContainer, streams: Sequence[Stream], end_s: float
) -> tuple[float, float]:
    copies = {each.index: clip.add_stream_from_template(each, opaque=True) for each in streams}
    video = streams[0].index
    start_s = ends_s = latest_s = _shown_s(first)
    offset = _seconds(first, first.dts)
    for packet in chain([first], others):
        if packet.stream_index == video:
            # Not between pictures that are decoded in another order than they are shown in.
            if _seconds(packet, packet.dts) >= end_s and _shown_s(packet) > latest_s:
                break
            latest_s = max(latest_s, _shown_s(packet))
            ends_s = max(ends_s, _shown_s(packet) + float(_seconds(packet, packet.duration)))
        shift = round(offset / packet.time_base)
        packet.dts = (packet.dts or 0) - shift
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.stream = copies[packet.stream_index]
        clip.mux_one(packet)
    return start_s, ends_s


def _shown_s(packet: AnyPacket) -> float:
    return float(_seconds(packet, packet.dts if packet.pts is None else packet.pts))


def _seconds(packet: AnyPacket, stamp: int | None) -> Fraction:
    return (stamp or 0) * packet.time_base
