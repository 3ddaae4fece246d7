"""A recording: any file or address that FFmpeg reads, from its first frame to its last."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Literal

import av
import av.error
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from streamer.errors import ConfigError, SourceUnavailable, SourceUnsupported
from streamer.frame import Frame, StreamInfo
from streamer.runtime import pyav
from streamer.runtime.utc import parse_utc
from streamer.sources import hardware
from streamer.sources.clock import TS_DISCONT, Clock, jumps
from streamer.sources.conversion import Converter, display_matrix, orientation
from streamer.sources.decoding import Decoder
from streamer.sources.file_timestamps import Timeline
from streamer.sources.heif import Heif, read_heif, whole_picture
from streamer.sources.opening import is_heif, is_picture, is_picture_stream, is_url, open_container, shown, unfinished_error
from streamer.sources.photo_metadata import PhotoMetadata, photo_metadata
from streamer.sources.side_data import NOTHING, side_data_of

log = logging.getLogger(__name__)

NO_TIMESTAMPS = 0x0080
"""``AVFMT_NOTIMESTAMPS``: the format holds no times (raw H.264), so that there is nothing to seek by."""
_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
# A recording that begins later than this has the clock of the day, or of a broadcast: players would wait for its start.
_LATEST_START_S = 3600
_SHORTEST_S = Fraction(1, 1000)
_A_YEAR_S = 365 * 86_400


class VideoFile:
    """Implements ``stages.Source`` for recordings and still pictures: every frame that a player shows, once, in order.

    Frames are 8-bit 4:2:0 of the first frame's size with the container's own pts and time base. Where a frame has no pts
    (raw H.264), it starts one frame duration after the one before. What is damaged is counted and passed over.

    ``start_s`` and ``end_s`` cut: frames with ``start_s <= t < end_s`` come, t in seconds since the start of the recording
    (which is the container's start time, as in FFmpeg and players). Their pts are then moved back by ``start_s``, rounded
    to a tick, so that the cut begins where the recording did; :attr:`shift_s` is that exact difference.

    ``name`` is what it is called before people, where that is not its path.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        threads: int = 0,
        decode: Literal["cpu", "cuda"] = "cpu",
        gpu: int = 0,
        open_timeout_s: float = 10.0,
        read_timeout_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        name: str | None = None,
    ) -> None:
        if start_s is not None and start_s < 0:
            raise ConfigError(f"start is {start_s:g} s", hint="give 0 or more")
        if end_s is not None and end_s <= (start_s or 0.0):
            raise ConfigError(f"end ({end_s:g} s) is not after start ({start_s or 0.0:g} s)", hint="give a later end")
        self.path = str(path)
        self.name = shown(self.path if name is None else name)
        """For people: without credentials."""
        # As written: the float 0.4 is a little more than 2/5 and would cut the frame at 2/5 off.
        self.start_s = None if start_s is None else Fraction(str(start_s))
        self.end_s = None if end_s is None else Fraction(str(end_s))
        self.shift_s = Fraction(0)
        """After ``open``: seconds that were taken from every pts because of ``start_s``."""
        self.still = False
        """After ``open``: whether it is a picture (jpg, png, webp), no video."""
        self.stream_index = 0
        """After ``open``: which of the container's streams is shown."""
        self.metadata = PhotoMetadata()
        """After ``open``: what a still picture's file tells beside the picture."""
        self.side_data = NOTHING
        """After ``open``: what stands beside the pixels."""
        self.notes: list[str] = []
        """What people should know about this input, one sentence each."""
        self._threads = threads
        self._gpu = gpu if decode == "cuda" else None
        """Number of the GPU that decodes; None: the CPU does."""
        self._timeouts = (open_timeout_s, read_timeout_s)
        self._clock = clock
        self._interrupted = threading.Event()
        self._decoder = Decoder(self.path, self._interrupted)
        self._file_clock: Clock | None = None
        self._clock_noted = False
        self._container: InputContainer | None = None
        self._heif: Heif | None = None
        self._info: StreamInfo | None = None
        self._decoded: Iterator[av.VideoFrame] = iter(())

    @property
    def damaged_packets(self) -> int:
        """Packets that could not be read or decoded whole, so far."""
        return self._decoder.damaged_packets

    @property
    def info(self) -> StreamInfo:
        """What :meth:`open` returned."""
        if self._info is None:
            raise SourceUnavailable(f"{self.name} is not open", hint="call open() first")
        return self._info

    def open(self) -> StreamInfo:
        """Open it and decode its first frame, which is the only one that tells everything. Raises a ``SourceError``."""
        if self._gpu is not None and (reason := self._why_not_on(self._gpu)):
            self._decode_on_cpu(reason)
        container, stream = self._open_stream()
        first, container, stream = self._first_frame(container, stream)
        if self._gpu is not None and not hardware.made(first):
            self._decode_on_cpu(f"the GPU's decoder does not take {stream.codec_context.name}, {first.format.name}")
            container, stream = self._open_stream()
            first, container, stream = self._first_frame(container, stream)
        if is_picture_stream(container):
            self._see_whether_it_moves(first)
        photo = Path(self.path).read_bytes() if self.still and self.is_file else b""
        if self._heif is not None:
            if self._heif.grid is not None:
                with open_container(self.path) as tiles:
                    first = whole_picture(tiles, self._heif.grid)
                self._decoded = iter([first])
            self.metadata = PhotoMetadata(exif=self._heif.exif, xmp=self._heif.xmp, icc=self._heif.icc)
            # The file's own directory says how it is to be turned; the EXIF data may say the same once more.
            matrix = self._heif.display_matrix or display_matrix(first)
        else:
            self.metadata = photo_metadata(photo)
            matrix = display_matrix(first, photo)
        self._converter = Converter(first, codec=stream.codec_context.name)
        upright = orientation(matrix)
        self._taken_utc_s = parse_utc(container.metadata.get("creation_time", ""))
        self._size = (first.width, first.height)
        self._size_changed = False
        width, height = reversed(self._size) if upright.sideways else self._size
        time_base = pyav.fraction(stream.time_base) or Fraction(1, 90_000)
        rate = pyav.fraction(stream.average_rate) or pyav.fraction(stream.guessed_rate)
        untimed = bool(container.format.flags & NO_TIMESTAMPS)
        if untimed and first.duration * time_base > _SHORTEST_S:
            # What the stream itself says: the rate of such a container is a guess.
            rate = 1 / (first.duration * time_base)
        self._timeline = Timeline(time_base, rate, trust_dts=container.format.name == "avi", untimed=untimed)
        if rate and not self.still and (untimed or is_picture_stream(container)):
            self.notes.append(f"{self.name} holds no times: {float(rate):g} frames a second are assumed")
        self._place_start(time_base)
        self.side_data = side_data_of(first, stream)
        if self._heif is not None and self._heif.transparent:
            self.side_data = replace(self.side_data, transparent=True)
        self._info = StreamInfo(
            source=self.name,
            width=width,
            height=height,
            time_base=time_base,
            rate=None if self.still else rate,
            orientation=upright,
            display_matrix=matrix,
            sample_aspect_ratio=pyav.fraction(stream.sample_aspect_ratio) or Fraction(1),
            color=self._converter.color,
            frames=1 if self.still else self._frames_expected(stream, rate),
            duration_s=None if self.still else self._duration_s(container, stream),
        )
        return self._info

    def frames(self) -> Iterator[Frame]:
        """Yield the frames to the end, the interruption, or ``end_s``. Raises ``SourceLost`` or ``SourceTimeout``."""
        info = self.info
        index = 0
        for picture in self._decoded:
            if self._interrupted.is_set():
                return
            captured_at = self._clock()
            pts, duration = self._timeline.place(picture)
            time_s = pts * info.time_base - self._origin_s
            if self.start_s is not None and time_s < self.start_s and not self.still:
                continue
            if self.end_s is not None and time_s >= self.end_s and not self.still:
                return
            if self._file_clock is not None and self._file_clock.stretches > 1 and not self._clock_noted:
                self._clock_noted = True
                self.notes.append(
                    f"the clock of {self.name} begins anew on the way, first after {float(time_s):.3g} s: "
                    "picture and sound go on without a gap"
                )
            if (picture.width, picture.height) != self._size:
                self._note_new_size(picture, time_s)
            converted = self._converter.convert(picture)
            pts -= self._shift_ticks
            converted.pts, converted.time_base = pts, info.time_base
            yield Frame(
                picture=converted,
                index=index,
                pts=pts,
                time_base=info.time_base,
                source=info.source,
                captured_at=captured_at,
                orientation=info.orientation,
                damaged=picture.is_corrupt,
                duration=duration,
            )
            index += 1

    @property
    def taken_utc_s(self) -> float | None:
        """After ``open``: when time 0 of the frames was, seconds since 1970; None where the recording does not say it.

        By its clock where that is the clock of the day, or else by its ``creation_time``.
        """
        if self._origin_s > _A_YEAR_S:
            return float(self.shift_s)
        return None if self._taken_utc_s is None else self._taken_utc_s + float(self.shift_s - self._origin_s)

    @property
    def tells_times_at_its_head(self) -> bool:
        """While open: whether it is an MP4 or MOV, whose head holds the times of all packets."""
        return self._container is not None and self._container.format.name.startswith("mov,mp4")

    @property
    def can_be_read_again(self) -> bool:
        """Whether a second reader gets the same from the start: a file or a web address, no pipe and no live stream."""
        return self.is_file or self.path.lower().startswith(("http://", "https://"))

    @property
    def is_file(self) -> bool:
        """Whether it lies on a disk. A named pipe does not: what is read from it is gone."""
        return not is_url(self.path) and Path(self.path).is_file()

    @property
    def interrupted(self) -> bool:
        """Whether :meth:`interrupt` was called."""
        return self._interrupted.is_set()

    def interrupt(self) -> None:
        """From any thread: ``frames`` ends before the next frame; from an address that is silent, after ``read_timeout_s``."""
        self._interrupted.set()

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def _why_not_on(self, gpu: int) -> str:
        """Why this cannot be decoded on a GPU; empty where nothing is known against it, also of a file that is not there."""
        if not is_url(self.path) and not Path(self.path).exists():
            return ""
        if not self.can_be_read_again:
            return "what the GPU's decoder does not take would have to be read a second time"
        return hardware.obstacle(gpu)

    def _decode_on_cpu(self, reason: str) -> None:
        self._gpu = None
        note = f"{self.name} is decoded on the CPU: {reason}"
        log.warning("%s", note)
        self.notes.append(note)

    def _open_stream(self) -> tuple[InputContainer, VideoStream]:
        self.close()
        container = open_container(
            self.path,
            open_timeout_s=self._timeouts[0],
            read_timeout_s=self._timeouts[1],
            hwaccel=None if self._gpu is None else hardware.accelerator(self._gpu),
        )
        self._container = container
        self._heif = read_heif(Path(self.path).read_bytes()) if is_heif(container) and self.is_file else None
        try:
            stream = self._choose(container)
        except BaseException:
            self.close()
            raise
        self.stream_index = stream.index
        self.still = is_picture(container)
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        stream.thread_type = "AUTO"
        # Threads would only wait for each other at the GPU.
        stream.codec_context.thread_count = self._threads if self._gpu is None else 1
        return container, stream

    def _choose(self, container: InputContainer) -> VideoStream:
        moving = [s for s in container.streams.video if not s.disposition & _PICTURES]
        if not moving:
            kinds = sorted({s.type for s in container.streams})
            if not kinds and (unfinished := unfinished_error(self.path)) is not None:
                raise unfinished
            holds = (
                f"only {' and '.join(kinds)}"
                if kinds and kinds != ["video"]
                else "only a cover picture"
                if kinds
                else "nothing"
            )
            raise SourceUnsupported(f"{self.name} holds no video, {holds}", hint="give a file with pictures in it")
        if self._heif is not None:
            photo = self._heif.primary if self._heif.grid is None else self._heif.grid.tiles[0]
            moving = [s for s in moving if s.id == photo] or moving
        elif container.metadata.get("major_brand") == "avis":
            # The first stream is a still picture for viewers that do not know animations.
            moving = [max(moving, key=lambda s: s.frames)]
        best = container.streams.best("video")
        chosen = best if isinstance(best, VideoStream) and best.index in {s.index for s in moving} else moving[0]
        if chosen.codec_context is None:
            raise SourceUnsupported(f"{self.name} holds video of a kind that cannot be decoded here", hint="convert it first")
        return chosen

    def _first_frame(self, container: InputContainer, stream: VideoStream) -> tuple[av.VideoFrame, InputContainer, VideoStream]:
        """Start decoding, after a seek near ``start_s`` where one is asked for; ``_decoded`` begins with that frame.

        The container may have been opened anew: its former streams must not be touched any more.
        """
        time_base = pyav.fraction(stream.time_base) or Fraction(1, 90_000)
        self._origin_s = Fraction(container.start_time or 0, 1_000_000)
        targets_s: list[Fraction | None] = [None]
        timed = not self.still and not container.format.flags & NO_TIMESTAMPS
        if self.start_s and timed and not is_url(self.path) and not jumps(container):
            # A seek may land too late in formats without an index: then go for an earlier place, at last for the start.
            wanted_s = Fraction(self.start_s)
            targets_s = [wanted_s, *([wanted_s - 10] if wanted_s > 10 else []), None]  # a usual GOP or two
        for target_s in targets_s:
            if target_s is not None:
                try:
                    container.seek(int((target_s + self._origin_s) / time_base), stream=stream)
                except av.error.FFmpegError:
                    continue
            elif len(targets_s) > 1:
                container, stream = self._open_stream()
            self._file_clock = Clock(forward=bool(container.format.flags & TS_DISCONT)) if jumps(container) else None
            decoded = self._decoder.frames(
                container,
                stream,
                clock=self._file_clock,
                skip_to_s=self._origin_s + self.start_s if self.start_s and target_s is None and timed else None,
            )
            first = next(decoded, None)
            if first is None and target_s is None:
                break
            if first is None:
                container, stream = self._open_stream()
                continue
            if target_s is None or (
                first.pts is not None and first.pts * time_base - self._origin_s <= Fraction(self.start_s or 0)
            ):
                self._decoded_after_first = decoded
                self._decoded = chain([first], decoded)
                return first, container, stream
        self.close()
        raise SourceUnsupported(f"{self.name} holds no frame that can be decoded", hint="is the file complete?")

    def _see_whether_it_moves(self, first: av.VideoFrame) -> None:
        """Pictures without a container are a video where a second one of the same size follows.

        One of another size is a part of the photo: a preview, or the map of its brightness.
        """
        second = next(self._decoded_after_first, None)
        self.still = second is None or (second.width, second.height) != (first.width, first.height)
        self._decoded = chain([first], [] if second is None or self.still else [second], self._decoded_after_first)

    def _place_start(self, time_base: Fraction) -> None:
        """Set what is taken from every pts: the cut, and a clock that began long before the recording."""
        shift_s = Fraction(0) if self.still or self.start_s is None else self.start_s
        if not self.still and self._origin_s > _LATEST_START_S:
            shift_s += self._origin_s
            began = (
                f"at {datetime.fromtimestamp(float(self._origin_s), UTC):%Y-%m-%d %H:%M:%S} UTC"
                if self._origin_s > _A_YEAR_S
                else f"{timedelta(seconds=round(self._origin_s))} h after 0"
            )
            self.notes.append(f"the clock of {self.name} begins {began}: its times are moved to begin at 0")
        self._shift_ticks = round(shift_s / time_base)
        self.shift_s = self._shift_ticks * time_base

    def _note_new_size(self, picture: av.VideoFrame, time_s: Fraction) -> None:
        """Say it once: sizes may go to and fro."""
        (width, height), self._size = self._size, (picture.width, picture.height)
        if not self._size_changed:
            self._size_changed = True
            self.notes.append(
                f"the picture changes its size from {width}x{height} to {picture.width}x{picture.height} "
                f"after {float(time_s):g} s: it is fitted into the first size, with black borders"
            )

    def _frames_expected(self, stream: VideoStream, rate: Fraction | None) -> int | None:
        duration_s = self._duration_s(None, stream)
        cut = self.start_s is not None or self.end_s is not None
        if stream.frames and not cut:
            return stream.frames
        if duration_s is None and self._container is not None:
            duration_s = self._duration_s(self._container, stream)
        return round(duration_s * rate) if duration_s is not None and rate else None

    def _duration_s(self, container: InputContainer | None, stream: VideoStream) -> float | None:
        """Seconds that will come: the stream's, or else the container's, less what is cut away."""
        if stream.duration is not None and stream.time_base:
            whole_s = float(stream.duration * stream.time_base)
        elif container is not None and container.duration is not None:
            whole_s = float(container.duration) / 1_000_000
        else:
            return None
        return max(0.0, (whole_s if self.end_s is None else min(whole_s, float(self.end_s))) - float(self.start_s or 0))
