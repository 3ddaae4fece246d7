"""One file of packets as they came, that plays at any moment."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import av.error
from av.packet import Packet

from streamer.recording.times import Times
from streamer.recording.tracks import Tracks
from streamer.sinks.mp4_file import GrowingFile
from streamer.sources.live_timestamps import TIME_BASE
from streamer.sources.packets import CameraPacket

_INTERLEAVE_US = 1_000_000
"""How long FFmpeg waits for the other stream: sound that stops must not hold back the pictures."""
_CLOCKS = {True: "by the camera's clock", False: "by the time of arrival"}


class SegmentFile(GrowingFile):
    """From one key frame to the last packet before the next file."""

    def __init__(self, path: Path, tracks: Tracks, first: Times, utc: datetime, *, camera_clock: bool) -> None:
        """``utc`` is when its first picture was taken; ``camera_clock``: whether the camera said so.

        Raises ``FileExistsError``. The name appears with the first fragment: whatever bears it can be played.
        """
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        begun = begun_name(path)
        begun.unlink(missing_ok=True)
        super().__init__(begun, max_interleave_delta=str(_INTERLEAVE_US))
        self.first = first
        self._named = path
        self._container.metadata["creation_time"] = utc.isoformat()
        self._container.metadata["comment"] = start_note(utc, camera_clock=camera_clock)
        self._streams = tracks.add_to(self._container)
        try:
            self._container.start_encoding()
        except (av.error.FFmpegError, OSError) as error:
            super().give_up()
            raise self._reason(error) from error
        self._head = self._file.written
        self._frame = 0
        self._last = first

    def write(self, packet: CameraPacket, times: Times) -> None:
        """Add a packet; one of a stream that the file does not hold is left out."""
        stream = self._streams.get(packet.kind)
        if stream is None:
            return
        copy = Packet(packet.data)
        copy.pts, copy.dts, copy.time_base = times.pts - self.first.dts, times.dts - self.first.dts, TIME_BASE
        copy.is_keyframe = packet.key or packet.kind == "audio"
        if packet.kind == "video":
            self._frame = times.dts - self._last.dts or self._frame
            self._last = times
            copy.duration = self._frame  # FFmpeg asks for it where a fragment ends
        copy.stream = stream
        self.mux(copy)
        if self.path != self._named and self._file.written > self._head:
            self._name()

    def close(self) -> None:
        """Complete it."""
        super().close()
        self._name()

    def give_up(self) -> None:
        """Leave what can be played, or nothing."""
        super().give_up()
        if self.path.exists():
            self._name()

    def _name(self) -> None:
        if self.path != self._named:
            self.path = self.path.rename(self._named)


def begun_name(path: Path) -> Path:
    """What a file is called until there is something in it to be played."""
    return path.with_name(f".{path.stem}.begun{path.suffix}")


def start_note(utc: datetime, *, camera_clock: bool) -> str:
    """What a file says of its beginning: ``creation_time`` holds whole seconds only."""
    return f"began {utc.isoformat(timespec='microseconds')}, {_CLOCKS[camera_clock]}"


def recording_note(utc_s: float) -> str:
    """The same of a clip out of a recording, whose own times it goes by: ``utc_s`` is in seconds since 1970."""
    return f"began {datetime.fromtimestamp(utc_s, UTC).isoformat(timespec='microseconds')}, by the recording's times"


def read_start_note(tags: Mapping[str, str]) -> tuple[datetime, bool] | None:
    """When a file with these tags begins, and whether that is by the camera's clock; None where they do not say so."""
    text = next((value for key, value in tags.items() if key.lower() == "comment"), "")  # Matroska writes names in capitals
    words, _, clock = text.removeprefix("began ").partition(", ")
    try:
        return datetime.fromisoformat(words), clock == _CLOCKS[True]
    except ValueError:
        return None
