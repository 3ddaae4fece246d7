"""One connection to a live source: a thread that demuxes and decodes, and that can be left behind when it is stuck."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from streamer.channel import Channel, Closed, Overflow, Room
from streamer.errors import SourceError, SourceLost, SourceUnsupported
from streamer.frame import picture_bytes
from streamer.runtime import import_order, pyav
from streamer.sources import failures
from streamer.sources.access_units import CODECS, AccessUnits
from streamer.sources.address import Address
from streamer.sources.batches import Batches
from streamer.sources.camera_clock import CameraClock
from streamer.sources.interrupt import Interruption
from streamer.sources.jpeg_pictures import JpegPictures
from streamer.sources.open_options import HTTP, RTSP, Transport, open_options
from streamer.sources.packets import CameraPacket, CameraStreams, EncodedStream, PacketTap
from streamer.sources.pictures import Picture
from streamer.sources.playback_clock import PlaybackClock
from streamer.sources.rtp_pieces import same_picture, whole_packets
from streamer.sources.seen_packets import SeenPackets
from streamer.sources.tapped import ReadStreams, TappedStreams, sound_of

_MOST_PICTURES = 250
_WAIT_S, _WAIT_BYTES = 1.0, 128 * 2**20
"""How old a picture may become that waits to be taken, and how much memory all that wait may hold. A network delivers pictures
in bunches, and decoding a bunch may be quicker than taking it."""
_ARRIVAL_FORMATS = frozenset({"mpjpeg", "mjpeg", "h264", "hevc", "m4v", "image2pipe", "jpeg_pipe"})
"""Formats without time stamps of their own: FFmpeg would count 25 frames a second."""
_SEGMENTED_FORMATS = frozenset({"hls", "dash"})
"""Formats that begin anew with what was sent before."""
_BURSTY_FORMATS = _SEGMENTED_FORMATS | {"lavfi"}
"""Formats that hand out seconds of video at once, as a web server does with a file."""
_MOST_WITHOUT_JPEG = 8 * 2**20
"""Bytes without a picture after which a stream holds none."""
_UNPARSED_CODECS = CODECS | {"mjpeg", "vp8", "vp9", "av1", "libdav1d"}
"""Codecs whose pictures, or their pieces, RTP delivers whole."""
_SANE_RATES = (Fraction(1, 10), Fraction(480))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a connection may be silent, in seconds."""

    open_s: float = 5.0
    """Until it is open."""
    read_s: float = 5.0
    """Between two packets of video."""
    picture_s: float = 15.0
    """Between two sound pictures while packets come: longer than the key frame interval."""


class Connection:
    """Reads ``address`` from :meth:`start` to the first failure, in a daemon thread of its own.

    Pictures wait in a queue of a second whose oldest makes room for the newest. :meth:`next`, for one other thread, watches the
    silence and gives up by the clock, whatever FFmpeg does; the thread then ends on its own and closes what it opened.
    """

    def __init__(
        self,
        address: Address,
        *,
        transport: Transport = "auto",
        timeouts: Timeouts,
        seen: SeenPackets | None = None,
        tap: PacketTap | None = None,
        sound: bool = True,
        decode: bool = True,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> None:
        """``seen`` knows what earlier connections to a list of segments have had: that is not handed out again.

        ``tap`` gets all packets of video and, with ``sound``, of sound. Without ``decode`` there are no pictures: :meth:`next`
        waits for the end.
        """
        self.opened_at: float | None = None
        """Monotonic seconds when it was open; None before."""
        self.undecodable_packets = 0
        self.started_at = clock()
        self._address = address
        self._transport: Transport = transport
        self._timeouts = timeouts
        self._seen = seen or SeenPackets()
        self._tap = tap
        self._sound = sound and tap is not None
        self._decoding = decode
        self._wall = CameraClock()
        self._passed: int | None = None
        """Time stamp of the last piece that was not decoded."""
        self._clock = clock
        self._utc = utc
        self._rate: Fraction | None = None
        self._heard_at = self._sound_at = self.started_at
        self._error: SourceError | None = None
        self._cancelled = threading.Event()
        self._interruption = Interruption()
        room: Room[Picture] = Room(
            seconds=_WAIT_S,
            size_bytes=_WAIT_BYTES,
            time_s=lambda picture: picture.arrived_s,
            bytes_of=lambda picture: picture_bytes(picture.picture),
        )
        self._pictures: Channel[Picture] = Channel(_MOST_PICTURES, Overflow.DROP_OLDEST, room=room)
        # The name of a thread is for people: no address in it.
        self._thread = threading.Thread(target=self._run, name="connection", daemon=True)

    @property
    def overflowed(self) -> int:
        """Pictures lost because :meth:`next` was not called in time."""
        return self._pictures.dropped

    @property
    def alive(self) -> bool:
        """Whether its thread still runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def next(self) -> Picture | None:
        """The next picture, or None once cancelled. Raises the ``SourceError`` that ended the connection, or its silence."""
        while True:
            deadline, failure = self._deadline()
            try:
                return self._pictures.receive(max(0.0, deadline - self._clock()))
            except TimeoutError:
                if self._deadline()[0] <= self._clock() and not self._cancelled.is_set():
                    raise failure from None
            except Closed:
                if self._cancelled.is_set():
                    return None
                raise self._error or failures.ended(self._address) from None

    def forget(self) -> None:
        """Throw away what waits: the next picture is one that has yet to come."""
        self._pictures.clear()

    def cancel(self) -> None:
        """From any thread: end it. :meth:`next` still hands out what was decoded, then None."""
        self._cancelled.set()
        self._interruption.set()
        self._pictures.finish()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread of a cancelled or failed connection. False if it is stuck in a call that does not come back."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _deadline(self) -> tuple[float, SourceError]:
        """When to give up if nothing comes until then, and what to say."""
        if self.opened_at is None:
            never_opened = av.error.ExitError(0, "")
            return self.started_at + self._timeouts.open_s, failures.connect_failure(self._address, never_opened)
        silence = self._heard_at + self._timeouts.read_s
        damage = self._sound_at + self._timeouts.picture_s
        if silence <= damage:
            return silence, failures.silent(self._address)
        return damage, failures.pictureless(self._address)

    def _run(self) -> None:
        try:
            with self._interruption.here():
                try:
                    container = self._open()
                except av.error.InvalidDataError as error:
                    self._error = failures.connect_failure(self._address, error)
                    if self._address.scheme in HTTP:
                        self._read_jpegs()
                    return
                except (av.error.FFmpegError, OSError, ValueError, SourceError) as error:
                    self._error = failures.connect_failure(self._address, error)
                    return
                try:
                    self._read(container)
                except (av.error.FFmpegError, OSError, SourceError) as error:
                    self._error = failures.read_failure(self._address, error)
                finally:
                    container.close()
                if isinstance(self._error, SourceLost) and container.format.name == "mpjpeg":
                    self._read_jpegs()
        except Closed:
            # Cancelled: nobody takes pictures any more.
            return
        except Exception as error:  # noqa: BLE001  # handed to the taker by next(): no failure of a thread may end quietly
            self._error = failures.read_failure(self._address, error)
        finally:
            self._pictures.finish()

    def _open(self) -> InputContainer:
        if self._address.format == "x11grab" and sys.platform.startswith("linux") and import_order.kept():
            # It would end the whole process.
            raise SourceUnsupported(
                f"{self._address.name} cannot be captured: OpenCV was imported before PyAV",
                hint="call streamer.runtime.import_order.screen_first() before any other import",
            )
        container = self._opened(open_options(self._address, self._transport, sound=self._sound))
        codecs = _codec_names(container)
        if not codecs or (self._address.scheme in RTSP and not codecs <= _UNPARSED_CODECS):
            # Rare: video that begins long after the sound, or codecs (MPEG-4 part 2, H.263) that RTP cuts at any place, where
            # only a parser finds the edges.
            container.close()
            container = self._opened(open_options(self._address, self._transport, patient=True, sound=self._sound))
        return container

    def _opened(self, options: dict[str, str], form: str | None = None) -> InputContainer:
        # Twice the patience of next(), which gives up first: this is for the day that an interruption does not work.
        timeout = (2 * self._timeouts.open_s, 2 * self._timeouts.read_s)
        url, form = self._address.url, form or self._address.format
        container: InputContainer = av.open(url, "r", form, options=options, timeout=timeout, **pyav.READ)
        return container

    def _read_jpegs(self) -> None:
        """Read what FFmpeg could not as JPEG pictures with anything between them; end as before where there are none.

        Cameras send MJPEG with wrong lengths, or without the first boundary; browsers show them.
        """
        try:
            container = self._opened({"probesize": "32", **self._address.options}, "data")
        except (av.error.FFmpegError, OSError, ValueError):
            return  # it was reached a moment ago: what was wrong then is what there is to say
        splitter, codec = JpegPictures(), av.CodecContext.create("mjpeg", "r")
        assert isinstance(codec, VideoCodecContext)
        unread = _MOST_WITHOUT_JPEG
        if self._tap is not None:
            self._tap.begin(CameraStreams(video=EncodedStream(codec="mjpeg", extradata=None, rate=None, header=None)))
        try:
            for packet in container.demux():
                for data in splitter.push(bytes(packet)):
                    unread = _MOST_WITHOUT_JPEG
                    self._tap_jpeg(data)
                    if self._decoding:
                        self._decode(codec, Packet(data), arrival=True)
                unread -= packet.size
                if unread < 0:
                    return
        except (av.error.FFmpegError, OSError) as error:
            self._error = failures.read_failure(self._address, error)
        finally:
            container.close()

    def _tap_jpeg(self, data: bytes) -> None:
        now = self._clock()
        if not self._decoding:
            self._heard_at = self._sound_at = self.opened_at = now
        if self._tap is None:
            return
        self._tap.take(
            CameraPacket(
                kind="video",
                data=data,
                pts=None,
                dts=None,
                time_base=Fraction(1, 90_000),
                key=True,
                arrived_s=now,
                utc_s=self._utc(),
                camera_clock=False,
            )
        )

    def _read(self, container: InputContainer) -> None:
        stream = self._video(container)
        arrival = container.format.name in _ARRIVAL_FORMATS
        formats = frozenset(container.format.name.split(","))
        finite = self._address.scheme in HTTP and container.duration is not None
        playback = PlaybackClock() if finite or formats & _BURSTY_FORMATS else None
        segmented = not formats.isdisjoint(_SEGMENTED_FORMATS)
        if not arrival:
            self._rate = _rate(stream)
        self._heard_at = self._sound_at = self._clock()
        self.opened_at = self._heard_at
        rtsp = self._address.scheme in RTSP
        units = AccessUnits(stream.codec_context.name) if rtsp and stream.codec_context.name in CODECS else None
        tapped, streams = None, ReadStreams(stream)
        if self._tap is not None:
            streams = ReadStreams(stream, sound_of(container) if self._sound else None)
            tapped = TappedStreams(
                self._tap,
                streams,
                pieces=rtsp and stream.codec_context.name != "mjpeg",
                arrival=arrival,
                rate=self._rate,
                wall=self._wall,
                clock=self._clock,
                utc=self._utc,
            )
        stamp: int | None = None
        batches = Batches() if rtsp else None
        try:
            for packet in container.demux(*streams.present):
                video, size = packet.stream_index == stream.index, packet.size
                if video and size:
                    self._heard_at = self._clock()
                    stamp = packet.pts = same_picture(stamp, packet.pts) if rtsp else packet.pts
                old = segmented and size > 0 and self._seen.seen(packet.pts, bytes(packet))
                if tapped is not None and size and not old:
                    tapped.take(packet, video=video)
                if not video:
                    continue
                if not self._decoding:
                    self._pass(packet, None if old else playback, batches)
                    continue
                for whole in whole_packets(units, packet):
                    self._decode(stream.codec_context, whole, arrival=arrival, playback=playback, old=old)
        except av.error.EOFError:
            return

    def _pass(self, packet: Packet[Any], playback: PlaybackClock | None, batches: Batches | None) -> None:
        """Go on without decoding: at the pace of the pictures where they come in bursts, else in batches."""
        new, self._passed, self._sound_at = packet.pts != self._passed, packet.pts, self._heard_at
        if packet.pts is None or not new:
            return
        time_s = float((packet.pts if packet.dts is None else packet.dts) * packet.time_base)  # shown times go back and forth
        if playback is not None:
            self._cancelled.wait(playback.wait_s(time_s, self._heard_at))
        elif batches is not None and (pause_s := batches.pause_s(time_s, self._heard_at)):
            self._cancelled.wait(pause_s)

    def _decode(
        self,
        codec: VideoCodecContext,
        packet: Packet[Any],
        *,
        arrival: bool,
        playback: PlaybackClock | None = None,
        old: bool = False,
    ) -> None:
        """Hand over the pictures of ``packet``, unless it is ``old``. Raises ``av.error.EOFError`` at the end."""
        try:
            decoded = codec.decode(packet)
        except av.error.EOFError:
            raise
        except av.error.FFmpegError:
            self.undecodable_packets += 1
            return
        if self.opened_at is None:
            self.opened_at = self._clock()
        for picture in () if old else decoded:
            if playback is not None and picture.time is not None:
                self._cancelled.wait(playback.wait_s(picture.time, self._clock()))
            self._hand_over(picture, pyav.fraction(codec.sample_aspect_ratio) or Fraction(1), arrival=arrival)

    def _hand_over(self, picture: av.VideoFrame, sample_aspect_ratio: Fraction, *, arrival: bool) -> None:
        now = self._clock()
        if not picture.is_corrupt:
            self._heard_at = self._sound_at = now
        pts, time_base = (None, None) if arrival else (picture.pts, pyav.fraction(picture.time_base))
        self._pictures.send(
            Picture(
                picture=picture,
                pts=pts,
                time_base=time_base,
                damaged=picture.is_corrupt,
                arrived_s=now,
                utc_s=self._wall.at(pts, time_base, self._utc())[0],
                rate=self._rate,
                sample_aspect_ratio=sample_aspect_ratio,
            )
        )

    def _video(self, container: InputContainer) -> VideoStream:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise SourceUnsupported(f"{self._address.name} holds no video", hint="give a stream with a picture")
        if stream.codec_context is None:
            raise SourceUnsupported(f"{self._address.name} has video in a format that is not known here", hint="use H.264")
        # One thread: threads by frame hold back one frame each, and with threads by slice FFmpeg does not tell damage.
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= Flags.low_delay
        return stream


def _codec_names(container: InputContainer) -> set[str]:
    return {stream.codec_context.name for stream in container.streams.video if stream.codec_context is not None}


def _rate(stream: VideoStream) -> Fraction | None:
    for rate in map(pyav.fraction, (stream.average_rate, stream.guessed_rate)):
        if rate is not None and _SANE_RATES[0] <= rate <= _SANE_RATES[1]:
            return rate
    return None
