"""An MP4 file that plays at any moment: while it grows, after a failure, and closed."""

from __future__ import annotations

import contextlib
import io
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from streamer.sinks.live_encoder import TIME_BASE

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from Python 3.12 on

_FRAGMENT_US = 500_000


class GrowingFile:
    """A file of encoded packets that grows in fragments. Its methods raise ``OSError``.

    It holds all but the last fragment should the process be killed; closed, it has one index, made in place.
    """

    def __init__(self, path: Path, **options: str) -> None:
        """The container is that of the path's ending. ``options`` are the muxer's."""
        self.path = path
        # A Python file: FFmpeg's own would keep the interpreter from running while a slow disk opens or closes it.
        self._file = CountedFile(path)
        self._container = av.open(
            self._file,
            "w",
            format=path.suffix[1:],
            options={
                "movflags": "hybrid_fragmented+default_base_moof",
                "frag_duration": str(_FRAGMENT_US),
                "flush_packets": "1",
                "video_track_timescale": str(TIME_BASE.denominator),
                **options,
            },
        )

    @property
    def bytes(self) -> int:
        """How large the file is."""
        return self._file.written

    def mux(self, packet: av.Packet[Any]) -> None:
        """Add a packet that knows its stream and times."""
        try:
            self._container.mux_one(packet)
        except av.error.FFmpegError as error:
            raise self._reason(error) from error

    def removed(self) -> bool:
        """Whether its name is gone: what is written to it is lost once it is closed."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def close(self) -> None:
        """Complete it."""
        try:
            self._container.close()
            os.fsync(self._file.fileno())
        except (av.error.FFmpegError, OSError) as error:
            self.give_up()
            raise self._reason(error) from error
        self._file.close()

    def give_up(self) -> None:
        """Leave what can be played, or nothing."""
        with contextlib.suppress(OSError, av.error.FFmpegError):  # that writing fails is known
            self._container.close()
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            _trim(self.path)

    def _reason(self, error: BaseException) -> OSError:
        """What the file said, which FFmpeg forgets at times."""
        return self._file.failure or (error if isinstance(error, OSError) else OSError(str(error)))


class Mp4File(GrowingFile):
    """One file of H.264 packets, from its first picture to its last."""

    def __init__(self, path: Path, width: int, height: int, first_pts: int) -> None:
        super().__init__(path)
        self.first_pts = first_pts
        self._stream = self._container.add_mux_stream("h264", width=width, height=height)
        self._stream.time_base = TIME_BASE

    def write(self, packet: av.Packet[av.VideoStream], pts: int) -> None:
        """Add the picture that is shown at ``pts``."""
        packet.pts = packet.dts = pts - self.first_pts
        packet.time_base = TIME_BASE
        packet.stream = self._stream  # type: ignore[assignment]  # a packet may go to a stream of the muxer; the stub says video only
        self.mux(packet)


class CountedFile(io.FileIO):
    """A file that must not exist before, knows how much was written to it, and stays as it is once a write has failed.

    Else FFmpeg would go on after the failure, and overwrite the head that makes the fragments playable.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "xb")
        self.written = 0
        self.failure: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        if self.failure is not None:
            raise self.failure
        view = memoryview(data)
        done = 0
        try:
            while done < len(view):  # a nearly full disk takes a part before it refuses
                done += self._put(view[done:])
        except OSError as error:
            self.failure = error
            raise
        finally:
            self.written += done
        return done

    def _put(self, data: memoryview) -> int:
        return super().write(data) or 0


def _trim(path: Path) -> None:
    """Cut a fragmented MP4 behind its last whole fragment; remove it when there is none."""
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        at = whole = 0
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack("!I4s", file.read(8))
            at += max(length, 8)
            if kind == b"mdat" and at <= size:
                whole = at
        file.truncate(whole)
    if not whole:
        path.unlink()
