"""A video file as output: the drawn frames encoded, all other streams of the input copied."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from streamer.errors import ConfigError, OutputRefused, OutputWriteFailed, SourceError, StreamerError
from streamer.frame import UPRIGHT, Color, StreamInfo
from streamer.runtime.thread_priority import priority_kept
from streamer.sinks.atomic import PendingFile, check_output
from streamer.sinks.containers import container_for
from streamer.sinks.decoding_times import with_true_dts
from streamer.sinks.encoders import choose_encoder
from streamer.sinks.muxer import AddVideo, Muxer
from streamer.sinks.samples import Samples
from streamer.sinks.side_data import SideDataWriter, joined
from streamer.sinks.stream_plan import Plan
from streamer.sinks.trial import proven_plan
from streamer.sources.conversion import widened
from streamer.sources.passthrough import Passthrough
from streamer.sources.side_data import NOTHING
from streamer.sources.video import VideoFile
from streamer.stages import Annotated, GivenUp

log = logging.getLogger(__name__)

_HINT_RATE_MAX = 240
# These leave the shape of pixels to the container, and PyAV cannot tell it to Matroska.
_NO_ASPECT = ("libvpx-vp9", "libsvtav1", "av1_nvenc")
_Failures = (av.error.FFmpegError, OSError, ValueError)


class VideoEncoder:
    """Implements ``stages.Sink``: every frame at its own pts, the rest of ``source`` copied, the file whole or not there.

    ``source`` must be open when this is built; without one there is nothing to copy. All checks are made at construction,
    before any frame is read. ``encoder=None`` takes the container's own: libx264, or libvpx-vp9 in a .webm. ``crf`` and
    ``preset`` are in the encoder's terms, None for its default. ``audio="none"`` leaves the audio streams out.

    MP4 and MOV are written in fragments under a temporary name beside ``path``, which play after a kill, and put in their
    final shape (index first) by :meth:`finish`; the others are written as they stay. Raises ``OutputRefused``,
    ``ConfigError``, ``EncoderUnavailable``; while writing ``OutputWriteFailed``, after which no stray file is left: what
    plays of it is kept as ``NAME.incomplete.EXT``, or removed without ``keep_incomplete``.
    """

    name = "encoder"

    def __init__(
        self,
        path: str | Path,
        info: StreamInfo,
        *,
        source: VideoFile | None = None,
        encoder: str | None = None,
        crf: float | None = None,
        preset: str | None = None,
        audio: Literal["copy", "none"] = "copy",
        overwrite: bool = False,
        keep_incomplete: bool = True,
    ) -> None:
        if audio not in ("copy", "none"):
            raise ConfigError(f"audio is {audio!r}", hint="give copy or none")
        self.path = Path(path)
        self.notes: list[str] = []
        """What is not carried over, one sentence each; complete after construction but for what :meth:`finish` adds."""
        self.frames_written = 0
        self._given_up = False
        self._keep_incomplete = keep_incomplete
        self._info = info
        self._source = source
        check_output(path, source=source.path if source else None, overwrite=overwrite)
        self._container = container_for(self.path)
        self._encoder = choose_encoder(encoder, self._container, path)
        self.encoder = self._encoder.name
        """The encoder taken."""
        if encoder is not None and encoder != self.encoder:
            self.notes.append(f"{encoder} does not open here: {self.encoder} encodes on the CPU")
            log.warning("%s", self.notes[-1])
            preset = preset if preset in self._encoder.presets else None
        self._options = self._encoder.options(crf, preset)
        if self.encoder == "libx264" and info.color == Color(range=ColorRange.MPEG):
            # x264 writes the range only together with something else: the kind of analogue signal harms nobody.
            self._options = joined(self._options, {"x264-params": "videoformat=component"})
        self._full = info.color.range == ColorRange.JPEG
        self._pixel_format = self._encoder.full_range_format if self._full else "yuv420p"
        self._reformatter = VideoReformatter()
        self._durations: dict[int, int] = {}
        self._shift = 0
        self._cut_frames = 0
        self._end = Fraction(0)
        self._first: tuple[int, int] | None = None
        self._plan = Plan()
        self._readers: list[Passthrough] = []
        self._muxer: Muxer | None = None
        self._files: list[PendingFile] = []
        self._finished: PendingFile | None = None
        self._size = self._size_taken()
        self._side_data = SideDataWriter(
            NOTHING if source is None else source.side_data,
            self.encoder,
            self._container,
            self._size,
            widened=self._size != info.stored_size,
        )
        self._options = joined(self._options, self._side_data.options)
        self.notes += self._side_data.notes
        if self._size != info.stored_size:
            self.notes.append(f"the picture becomes {self._size[0]}x{self._size[1]}: {self.encoder} takes even sizes only")
        if info.sample_aspect_ratio != 1 and self._container.ticks == 1000 and self.encoder in _NO_ASPECT:
            self.notes.append(f"pixels are shown square: {self.encoder} in {self._container.format} does not tell their shape")
        if self._container.format == "mpegts":
            self.notes.append("times may be later by the encoder's delay: a transport stream holds none before 0")
            if info.orientation != UPRIGHT:
                self.notes.append("the picture is not shown upright: a transport stream cannot tell how to turn it")
        try:
            if source is not None and not source.can_be_read_again:
                self.notes.append(f"only the picture is written: {source.name} cannot be read a second time for its sound")
            elif source is not None:
                # Two readers where two files are written, both now: the input may be gone or changed at the end.
                self._readers = [Passthrough(source) for _ in range(2 if self._container.two_steps else 1)]
            self._files.append(PendingFile(path, source=source.path if source else None, overwrite=overwrite))
            if source is not None and self._readers:
                self._plan = proven_plan(
                    source, self._container, self._rehearsed, self._blank, audio=audio == "copy", path=self.path
                )
                self.notes += self._plan.notes
        except BaseException:
            self.abandon()
            raise

    def write(self, item: Annotated) -> None:
        """Encode the item's picture (the frame's own where none was drawn). Raises ``OutputWriteFailed``."""
        frame = item.frame
        picture = item.drawn()
        if picture.format.name != self._pixel_format:
            kept = ColorRange.JPEG if self._full else ColorRange.MPEG
            picture = self._reformatter.reformat(picture, format=self._pixel_format, src_color_range=kept, dst_color_range=kept)
        if (picture.width, picture.height) != self._size:
            picture = widened(picture, *self._size)
        try:
            if self._muxer is None:
                self._begin(frame.pts)
            assert self._muxer is not None
            picture.pts, picture.time_base = frame.pts + self._shift, frame.time_base
            # What the decoder noted down there would be an order to the encoder.
            picture.pict_type = 0
            self._durations[picture.pts] = frame.duration
            self._end = (picture.pts + max(frame.duration, 1)) * frame.time_base
            self._mux(self._encode(picture))
        except (*_Failures, SourceError) as error:
            raise self._failed(error) from error
        self.frames_written += 1

    def finish(self) -> None:
        """Encode what is left, put the file in its final shape, and give it its name. Raises ``OutputWriteFailed``."""
        if self._muxer is None:
            self.abandon()
            self.notes.append(f"no frame came: {self.path} was not written")
            return
        stopped = self._source is not None and self._source.interrupted
        until_s = self._end if stopped else None
        try:
            self._mux(with_true_dts(self._encode(None), self._info.time_base))
            self._muxer.finish(until_s)
            if self._muxer.lost_packets:
                self.notes.append(f"{self._muxer.lost_packets} damaged packets of sound or subtitles were left out")
            self._go_on()
            if self._container.two_steps:
                self._files[0].restore()
                self._files.append(self._files[0].sibling())
                self._put_in_final_shape(until_s)
                self._finished = self._files[-1]
            self._go_on()
            self._files[-1].commit()
        except (*_Failures, OutputWriteFailed, SourceError) as error:
            raise self._failed(error) from error
        except BaseException:
            self.abandon()
            raise
        self._let_go()

    def give_up(self) -> None:
        """From any thread: let a :meth:`finish` under way, which may copy gigabytes, end without an output."""
        self._given_up = True

    def abandon(self) -> None:
        """Close and remove what was written so far. Never raises."""
        if self._muxer is not None:
            self._muxer.abort()
        self._let_go()

    def _go_on(self) -> None:
        if self._given_up:
            raise GivenUp

    def _let_go(self) -> None:
        for reader in self._readers:
            reader.close()
        for pending in self._files:
            pending.discard()
        self._readers, self._files = [], []
        self._muxer = None
        self._side_data.close()

    def _begin(self, first_pts: int) -> None:
        if first_pts < 0:
            self._shift = -first_pts
            by_s = float(self._shift * self._info.time_base)
            self.notes.append(f"all times are {by_s:g} s later: {self._container.format} holds none before 0")
        if self._source is not None and self._source.start_s and self._readers and self._info.rate:
            video = self._readers[0].streams[self._source.stream_index]
            started_s = (video.start_time or 0) * self._info.time_base
            first_s = first_pts * self._info.time_base + self._source.shift_s
            self._cut_frames = max(0, round((first_s - started_s) * self._info.rate))
        self._muxer = self._new_muxer(
            self._files[0].temporary,
            self._add_video,
            self._readers[0] if self._readers else None,
            fragmented=self._container.two_steps,
        )

    def _new_muxer(
        self,
        file: Path | io.BytesIO,
        add_video: AddVideo,
        passthrough: Passthrough | Samples | None,
        *,
        plan: Plan | None = None,
        fragmented: bool = False,
    ) -> Muxer:
        return Muxer(
            file,
            self._container,
            self._info,
            add_video,
            passthrough=passthrough,
            plan=plan or self._plan,
            video_index=self._source.stream_index if self._source else 0,
            fragmented=fragmented,
            shift_s=self._shift * self._info.time_base,
            cut_frames=self._cut_frames,
        )

    def _encode(self, picture: av.VideoFrame | None) -> list[Packet[Any]]:
        """Packets for ``picture``, or the last ones. The stream that encodes may be another than the output's."""
        encoding = self._side_data.encoding
        assert encoding is not None
        if encoding.codec_context.is_open:
            return encoding.encode(picture)
        with priority_kept():
            return encoding.encode(picture)

    def _rehearsed(
        self, plan: Plan, samples: Samples, file: io.BytesIO, *, fragmented: bool, fragments: InputContainer | None = None
    ) -> Muxer:
        if fragments is None:
            return self._new_muxer(file, self._add_video, samples, plan=plan, fragmented=fragmented)
        template = fragments.streams.video[0]
        return self._new_muxer(file, lambda output: self._copy_video(output, template), samples, plan=plan)

    def _blank(self, start_s: Fraction) -> Iterator[Packet[Any]]:
        """Packets of a picture with nothing in it, as a stand-in for the video."""
        blank = av.VideoFrame(*self._size, self._pixel_format)
        blank.pts, blank.time_base = round(start_s / self._info.time_base), self._info.time_base
        yield from self._encode(blank)
        yield from with_true_dts(self._encode(None), self._info.time_base)

    def _add_video(self, output: OutputContainer) -> VideoStream:
        with priority_kept():  # it may open the encoder
            stream = self._side_data.add_stream(output, self._add_encoder)
        if self._container.two_steps:
            self._tag(stream)
        return stream

    def _add_encoder(self, output: OutputContainer) -> VideoStream:
        stream = output.add_stream(self._encoder.name, rate=self._hint_rate(), options=self._options)
        assert isinstance(stream, VideoStream)
        # PyAV's default cuts each picture into slices for the threads: one frame for each thread is faster, and smaller.
        stream.thread_type, stream.thread_count = "FRAME", 0
        self._configure(stream)
        stream.time_base = self._container.time_base(self._info.time_base)
        return stream

    def _configure(self, context: Any) -> None:
        """Set up a stream or a codec context: both take the same names."""
        info = self._info
        context.width, context.height = self._size
        context.pix_fmt = self._pixel_format
        context.sample_aspect_ratio = info.sample_aspect_ratio
        context.codec_context.time_base = info.time_base
        context.color_range, context.colorspace = info.color.range, info.color.matrix
        context.color_primaries, context.color_trc = info.color.primaries, info.color.transfer
        context.codec_context.field_order = self._side_data.field_order

    def _hint_rate(self) -> Fraction:
        """A rate for the encoder's rate control and level; times come from the frames alone."""
        rate = self._info.rate
        return rate if rate is not None and 1 <= rate <= _HINT_RATE_MAX else Fraction(25)

    def _size_taken(self) -> tuple[int, int]:
        """The stored size, or the next even one: found by opening the encoder for it, before anything is read."""
        width, height = self._info.stored_size
        for size in dict.fromkeys([(width, height), (width + width % 2, height + height % 2)]):
            if self._opens_for(size):
                return size
        raise ConfigError(
            f"{self.encoder} cannot encode pictures of {width}x{height}", hint="take another --encoder, such as libx264"
        )

    def _opens_for(self, size: tuple[int, int]) -> bool:
        context = av.CodecContext.create(self._encoder.name, "w")
        assert isinstance(context, VideoCodecContext)
        context.options = dict(self._options)
        context.width, context.height = size
        context.pix_fmt = self._pixel_format
        context.time_base, context.framerate = self._info.time_base, self._hint_rate()
        try:
            with priority_kept():
                context.open()
        except _Failures:
            return False
        return True

    def _mux(self, packets: list[Packet[Any]]) -> None:
        assert self._muxer is not None
        for packet in packets:
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, 0)
                if self._first is None:
                    self._first = (packet.pts, packet.dts if packet.dts is not None else packet.pts)
            self._muxer.write(packet)

    def _put_in_final_shape(self, until_s: Fraction | None) -> None:
        """Copy the fragments into a file with its index first, every packet at the time that it was encoded for."""
        assert self._first is not None
        written, final = self._files[0].temporary, self._files[1].temporary
        # Without the edit list the demuxer gives the stored times, which differ from the true ones by a constant.
        with av.open(str(written), "r", options={"ignore_editlist": "1"}) as fragments:
            template = fragments.streams.video[0]
            reader = self._readers[-1] if self._readers else None
            muxer = self._new_muxer(final, lambda output: self._copy_video(output, template), reader)
            try:
                ticks = self._container.time_base(self._info.time_base)
                difference: int | None = None
                for packet in fragments.demux(template):
                    if packet.size == 0 or packet.pts is None or packet.dts is None:
                        continue
                    if difference is None:
                        difference = round(self._first[0] * self._info.time_base / ticks) - packet.pts
                    packet.pts, packet.dts = packet.pts + difference, packet.dts + difference
                    self._go_on()
                    muxer.write(packet)
                muxer.finish(until_s)
            except BaseException:
                muxer.abort()
                raise

    def _copy_video(self, output: OutputContainer, template: VideoStream) -> VideoStream:
        stream = self._side_data.add_copy(output, template)
        stream.time_base = self._container.time_base(self._info.time_base)
        context = stream.codec_context
        context.framerate = self._hint_rate()
        # VP9 and AV1 leave it to the container, whose word is not among the codec's parameters.
        context.sample_aspect_ratio = self._info.sample_aspect_ratio
        self._tag(stream)
        return stream

    def _tag(self, stream: VideoStream) -> None:
        if self.encoder in ("libx265", "hevc_nvenc"):
            # Apple's players take H.265 under this name only.
            stream.codec_context.codec_tag = "hvc1"

    def _failed(self, error: Exception) -> Exception:
        """What is raised for ``error``, once what was written until then is safe."""
        if isinstance(error, OutputRefused):
            self.abandon()
            return error
        message = error.message if isinstance(error, StreamerError) else f"{self.path} cannot be written ({_reason(error)})"
        if self._muxer is not None:
            self._muxer.abort()
        kept = self._finished or (self._files[0] if self._files and _plays(self._files[0].temporary) else None)
        if not self._keep_incomplete:
            kept = None
        hint = "check the free space and the disk"
        if kept is not None:
            hint = f"what was written until then plays: it is kept as {kept.keep()}; {hint}"
        self._let_go()
        return OutputWriteFailed(message, hint=hint)


def _plays(path: Path) -> bool:
    """Whether there is a picture in what was written."""
    try:
        with av.open(str(path), "r") as written:
            return any(packet.size for packet in written.demux(written.streams.video[0]))
    except (*_Failures, IndexError):
        return False


def _reason(error: BaseException) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())
