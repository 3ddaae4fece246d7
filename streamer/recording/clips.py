"""Clips out of what was recorded, without decoding: from a key frame on, and never shorter than asked."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from streamer.errors import OutputWriteFailed
from streamer.recording.preroll import AWAY_S
from streamer.recording.segment_file import read_start_note, start_note
from streamer.sinks.disk import why
from streamer.sinks.retention import Recording, file_stem, recordings
from streamer.sources.live_timestamps import TIME_BASE

log = logging.getLogger(__name__)

_RATE = TIME_BASE.denominator
_JOINED_S = 1.0
"""Files whose times are no further apart join without a gap: their clocks are not read to the millisecond."""
_NAMED_S = 1.0
"""Names hold whole seconds."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What :func:`cut_clip` wrote."""

    paths: tuple[Path, ...]
    """The file; more than one where the camera changed its size or codec meanwhile; none where nothing was recorded."""
    start_utc_s: float
    """Seconds since 1970 of the first picture: that of a key frame."""
    end_utc_s: float
    """Seconds since 1970 of the last picture's end."""
    camera_clock: bool
    """Whether these times are by the camera's clock."""


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """A packet and when it was captured, in ticks since 1970."""

    packet: Packet[Any]
    kind: Literal["video", "audio"]
    utc: int
    shown: int
    """Ticks from decoding to showing."""


def cut_clip(folder: Path, camera: str, start_utc_s: float, end_utc_s: float, target: Path) -> Clip:
    """Write what ``camera`` sent from the key frame at or before ``start_utc_s`` to at least ``end_utc_s`` into ``target``.

    Reads finished files of ``folder`` and the one that still grows (all but its last second is there). What was not recorded is
    not in the clip: the times of the result say so. The file appears whole or not at all; sound that MP4 cannot hold makes it a
    ``.mov``. Raises ``OutputWriteFailed``.
    """
    writer = _Writer(target)
    try:
        by_camera = True
        for recording in _candidates(folder, file_stem(camera), start_utc_s, end_utc_s):
            by_camera &= _copy(recording.path, writer, round(start_utc_s * _RATE), round(end_utc_s * _RATE))
        return writer.finish(camera_clock=by_camera)
    except (av.error.FFmpegError, OSError) as error:
        writer.abandon()
        told = why(error) if isinstance(error, OSError) else str(error)
        raise OutputWriteFailed(f"the clip {target.name} cannot be written ({told})", hint="check the disk") from error


def _candidates(folder: Path, stem: str, start_utc_s: float, end_utc_s: float) -> list[Recording]:
    """The files that may hold a part of the clip, oldest first."""
    try:
        found = [each for each in recordings(folder, stem) if each.start.timestamp() <= end_utc_s]
    except FileNotFoundError:
        return []
    first = 0
    for index, each in enumerate(found):
        if each.start.timestamp() + _NAMED_S <= start_utc_s:
            first = index
    return found[first:]


def _copy(path: Path, writer: _Writer, start: int, end: int) -> bool:
    """Add the part of one file; whether its times are by the camera's clock."""
    try:
        container = av.open(str(path), "r")
    except av.error.FileNotFoundError:
        return True  # the oldest one, removed just now
    except av.error.InvalidDataError:
        log.warning("%s holds no whole picture yet, and is left out of a clip", path.name)
        return True
    with container:
        noted = read_start_note(container.metadata)
        if noted is None or not container.streams.video:
            log.warning("%s does not say when it began, and is left out of a clip", path.name)
            return True
        began, by_camera = round(noted[0].timestamp() * _RATE), noted[1]
        waiting: list[_Piece] | None = [] if writer.empty else None
        if waiting is None:
            writer.use(container, camera_clock=by_camera)
        for piece in _pieces(container, began):
            if waiting is not None:
                if piece.kind == "video" and piece.packet.is_keyframe and piece.utc <= start:
                    waiting.clear()
                waiting.append(piece)
                if piece.kind == "video" and piece.utc > start:
                    writer.use(container, camera_clock=by_camera)
                    for each in waiting:
                        writer.write(each)
                    waiting = None
            else:
                writer.write(piece)
            if piece.kind == "video" and piece.utc >= end:
                break
        if waiting and waiting[-1].utc >= start - AWAY_S * _RATE:
            writer.use(container, camera_clock=by_camera)
            for each in waiting:
                writer.write(each)
    return by_camera


def _pieces(container: InputContainer, began: int) -> Iterator[_Piece]:
    """The packets of a file whose first picture was taken at ``began``."""
    video = container.streams.video[0]
    first: int | None = None
    early: list[Packet[Any]] = []
    for packet in container.demux([video, *container.streams.audio[:1]]):
        if packet.dts is None:
            continue
        if first is None:
            early.append(packet)
            if packet.stream_index != video.index:
                continue
            first = _ticks(packet, packet.dts)
        for each in early or [packet]:
            decoded = _ticks(each, each.dts or 0)
            shown = decoded if each.pts is None else _ticks(each, each.pts)
            kind: Literal["video", "audio"] = "video" if each.stream_index == video.index else "audio"
            yield _Piece(each, kind, began + decoded - first, shown - decoded)
        early = []


def _ticks(packet: Packet[Any], stamp: int) -> int:
    return round(stamp * packet.time_base / TIME_BASE)


class _Writer:
    """Writes pieces into a file, and into another one where the streams are no longer the same."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._done: list[tuple[Path, Path]] = []
        self._container: OutputContainer | None = None
        self._streams: dict[str, Stream] = {}
        self._like: tuple[object, ...] = ()
        self._origin: int | None = None
        self._offset: int | None = None
        self._camera_clock = False
        self._last: dict[str, int] = {}
        self._start: int | None = None
        self._end = self._step = 0

    @property
    def empty(self) -> bool:
        """Whether nothing was written yet."""
        return self._start is None

    def use(self, source: InputContainer, *, camera_clock: bool) -> None:
        """The next pieces come from this file; ``camera_clock``: its times are by the camera's clock."""
        self._offset, self._camera_clock = None, camera_clock
        streams: list[Stream] = [source.streams.video[0], *source.streams.audio[:1]]
        like = tuple((each.codec_context.name, each.codec_context.extradata) for each in streams)
        if self._container is not None and like == self._like:
            return
        self._close()
        self._like = like
        suffix = ".mov" if "mov" in str(source.name).rpartition(".")[2] else ".mp4"
        number = f"-{len(self._done) + 1}" if self._done else ""
        path = self._target.with_name(f"{self._target.stem}{number}{suffix}")
        part = path.with_name(f".{path.name}.partial")
        self._done.append((part, path))
        self._container = av.open(str(part), "w", format=suffix[1:], options={"movflags": "faststart"})
        self._streams = {each.type: self._container.add_stream_from_template(each, opaque=True) for each in streams}
        self._origin, self._last = None, {}

    def write(self, piece: _Piece) -> None:
        """Add a piece, at its time after the beginning of the clip."""
        if self._container is None:
            return
        if self._origin is None:
            self._origin = piece.utc
            began = datetime.fromtimestamp(piece.utc / _RATE, UTC)
            self._container.metadata["comment"] = start_note(began, camera_clock=self._camera_clock)
        if self._start is None and piece.kind == "video":
            self._start = piece.utc
        if self._offset is None:
            self._offset = self._joined(piece)
        out = piece.utc - self._origin + self._offset
        packet, last = piece.packet, self._last.get(piece.kind)
        if last is not None and out <= last:
            out = last + _RATE * packet.time_base.numerator // packet.time_base.denominator + 2  # at least a tick of either
        self._last[piece.kind] = out
        length = _ticks(packet, packet.duration or 0)
        packet.pts, packet.dts, packet.duration = out + piece.shown, out, length
        packet.time_base = TIME_BASE
        packet.stream = self._streams[piece.kind]
        self._container.mux_one(packet)
        if piece.kind == "video":
            self._end = piece.utc + length
            self._step = length

    def finish(self, *, camera_clock: bool) -> Clip:
        """Complete the files: now they appear."""
        self._close()
        paths = []
        for part, path in self._done:
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(path)
            paths.append(path)
        return Clip(tuple(paths), (self._start or 0) / _RATE, self._end / _RATE, camera_clock and self._start is not None)

    def abandon(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(av.error.FFmpegError, OSError):  # that it failed is known
            self._close()
        for part, _ in self._done:
            part.unlink(missing_ok=True)

    def _close(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _joined(self, piece: _Piece) -> int:
        """What is added to the times of the next file, so that it follows the one before without overlap."""
        last = self._last.get("video")
        if last is None or self._origin is None:
            return 0
        expected = last + self._step
        gap = piece.utc - self._origin - expected
        return -gap if abs(gap) <= _JOINED_S * _RATE or gap < 0 else 0
