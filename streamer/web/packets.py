"""A camera's own H.264 on its way to browsers, as it is or as fragments of MP4: nothing is decoded or encoded for looking."""

from __future__ import annotations

import asyncio
import json
import logging
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import av
from av.packet import Packet

from streamer.errors import StreamerError, in_one_line
from streamer.recording.times import PacketTimes
from streamer.recording.tracks import Tracks
from streamer.sources.annexb import AnnexB
from streamer.sources.live_timestamps import TIME_BASE
from streamer.sources.packets import CameraPacket, CameraStreams
from streamer.sources.whole_pictures import parameter_sets
from streamer.web.relay import Relay

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.stream import Stream

log = logging.getLogger(__name__)

MOST_WAITING = 50
"""Pictures that may wait for one viewer, two seconds of most cameras; then it is cut over to the next key frame."""
REORDERED = "its pictures are sent in another order than they are shown, which WebRTC does not carry"
_PROFILES = {66: "Baseline", 77: "Main", 100: "High"}
"""What browsers play: 8 bit, 4:2:0."""
_MP4 = {"movflags": "frag_every_frame+empty_moov+default_base_moof+skip_trailer", "flush_packets": "1"}
_HEAD = struct.Struct(">dd?")


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """One picture as WebRTC carries it."""

    data: bytes
    """H.264 with start codes, parameter sets before key frames."""
    ticks: int
    """Its time in the video, in ticks of ``TIME_BASE``; each is later than the one before."""
    stamp: int | None
    """The camera's own time stamp, if it has one."""
    key: bool


@dataclass(frozen=True, slots=True)
class Fragment:
    """One picture as it is sent by WebSocket."""

    data: bytes
    """Two big-endian doubles (its time in the video, in seconds; the camera's own time stamp, NaN where there is none), a byte
    that is 1 for a key frame, then a fragment of MP4."""
    key: bool


@dataclass(frozen=True, slots=True)
class VideoHead:
    """What has to be known of a video beforehand."""

    codec: str
    """As browsers name it, such as ``avc1.42c01f``."""
    stamps: str
    """Which time of what is told of a picture (``feed.objects_of``) its stamp is: ``camera_pts`` or ``pts``."""
    mp4: bytes = b""
    """The head of its MP4, for those who play fragments."""


class VideoViewer:
    """A browser that plays fragments of MP4. Used in the server's loop."""

    def __init__(self) -> None:
        self.cuts = 0
        """How often it was too slow, and pictures were left out up to the next key frame."""
        self.smaller = ""
        """Why it gets smaller pictures than there are; empty where it does not."""
        self._waiting: deque[str | bytes | Fragment] = deque()
        self._fragments = 0
        self._most = MOST_WAITING
        self._until_key = False
        self._there = asyncio.Event()

    def begin(self, head: VideoHead, group: tuple[Fragment, ...] = ()) -> None:
        """Another video: its codec as browsers name it, the head of its MP4, and what there is of it already."""
        self._waiting.clear()
        said = {"codec": head.codec, "stamps": head.stamps, "smaller": self.smaller}
        self._waiting += (json.dumps(said), head.mp4, *group)
        self._fragments = len(group)
        self._most = MOST_WAITING + len(group)
        self._until_key = not group
        self._there.set()

    def put(self, picture: Fragment) -> None:
        """The next picture; a viewer that is too slow gets none up to the next key frame."""
        if self._fragments >= self._most:
            self._waiting = deque(each for each in self._waiting if not isinstance(each, Fragment))
            self._fragments, self._most, self._until_key = 0, MOST_WAITING, True
            self.cuts += 1
        if self._until_key and not picture.key:
            return
        self._until_key = False
        self._waiting.append(picture)
        self._fragments += 1
        self._there.set()

    def refuse(self, why: str) -> None:
        """No more pictures come."""
        self.tell(json.dumps({"refused": why}))

    def tell(self, text: str) -> None:
        """JSON: what is in a picture, or a notice. It is left out where as many wait as pictures may."""
        if len(self._waiting) < 2 * self._most:
            self._waiting.append(text)
            self._there.set()

    async def next(self) -> str | bytes:
        """Wait for the next message."""
        while not self._waiting:
            self._there.clear()
            await self._there.wait()
        item = self._waiting.popleft()
        if isinstance(item, Fragment):
            self._fragments -= 1
            return item.data
        return item


class PacketHub:
    """Implements ``PacketTap``: hands a camera's packets to all who watch, one MP4 of them to those who play that.

    Packets come from the connection's thread, which never waits and never fails here; viewers live in the server's loop.
    """

    def __init__(
        self,
        name: str,
        *,
        stamps: str = "camera_pts",
        make_key: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``make_key`` asks for a key frame, and can be called by any thread; None: it would not be heard."""
        self.name = name
        self.pictures: Relay[VideoHead, EncodedPicture] = Relay(clock=clock)
        """The packets for WebRTC."""
        self.fragments: Relay[VideoHead, Fragment] = Relay(clock=clock)
        """The same as fragments of MP4."""
        self.make_key = make_key
        self._stamps = stamps
        self._lock = threading.Lock()
        self._codec = ""
        self._why_not = "no packets of it have come"
        self._reordered = self._is_open = self._refused = False
        self._told = ""
        # What follows belongs to the connection's thread.
        self._streams: CameraStreams | None = None
        self._times: PacketTimes | None = None
        self._tracks: Tracks | None = None
        self._muxer: _Muxer | None = None
        self._annexb: AnnexB | None = None

    @property
    def codec(self) -> str:
        """The codec as browsers name it, such as ``avc1.42c01f``; empty where they get no packets."""
        with self._lock:
            return self._codec

    @property
    def is_waiting(self) -> bool:
        """Whether packets come that may be sent, of which nothing more is known yet."""
        with self._lock:
            return self._is_open and not self._codec and not self._refused

    @property
    def is_refused(self) -> bool:
        """Whether none are sent, for the reason of :attr:`why_not`."""
        with self._lock:
            return self._refused

    @property
    def watched(self) -> bool:
        """Whether anybody watches."""
        return bool(self.pictures.viewers or self.fragments.viewers)

    @property
    def why_not(self) -> str:
        """Why no packets are sent; empty where they are."""
        with self._lock:
            return self._why_not

    @property
    def why_not_webrtc(self) -> str:
        """Why no packets are sent by WebRTC; empty where they are."""
        with self._lock:
            return self._why_not or (REORDERED if self._reordered else "")

    def begin(self, streams: CameraStreams) -> None:
        """A connection is open."""
        self._streams = replace(streams, audio=None)
        self._times, self._tracks, self._muxer, self._annexb = PacketTimes(streams.video.rate), None, None, None
        with self._lock:
            self._is_open, self._refused = True, False
        if streams.video.codec != "h264":
            self.refuse(f"the camera sends {streams.video.codec}, which browsers do not play")

    def take(self, packet: CameraPacket) -> None:
        """The next packet."""
        streams, times = self._streams, self._times
        if packet.kind != "video" or streams is None or times is None or streams.video.codec != "h264":
            return
        try:
            if packet.key and (self._tracks is None or not self._tracks.fit(packet)):
                self._look_at(streams, packet)
                if self._tracks is not None:
                    times.reorder(self._tracks.depth)
            placed = times.place(packet)
            if self._tracks is None:
                return
            if self._muxer is None or self._annexb is None:
                if not packet.key:
                    return
                self._annexb = AnnexB(streams.video.extradata)
                self._muxer = _Muxer(self._tracks, placed.dts)
                head = VideoHead(_codec_of(streams, packet), self._stamps, self._muxer.head)
                self._begin(head, reordered=self._tracks.depth > 0)
            if self._tracks.depth == 0:
                data = self._annexb.picture(packet.data, key=packet.key)
                self.pictures.send(EncodedPicture(data, placed.pts, packet.pts, packet.key), packet.arrived_s)
            done = self._muxer.push(packet, placed.pts, placed.dts)
        except (av.error.FFmpegError, StreamerError, ValueError) as error:
            self._tracks = self._muxer = self._annexb = None
            self.refuse(f"the camera's packets cannot be sent: {in_one_line(error)}")
            return
        if done is not None:
            self.fragments.send(done, packet.arrived_s)

    def _look_at(self, streams: CameraStreams, key: CameraPacket) -> None:
        self._tracks = self._muxer = None
        said = _sps(streams, key)
        if len(said) < 4:
            return  # parameters come with a later key frame
        if said[1] not in _PROFILES:
            self.refuse(f"the camera sends H.264 of profile {said[1]}, which browsers do not play")
            return
        self._tracks = Tracks(streams, key)

    def _begin(self, head: VideoHead, *, reordered: bool) -> None:
        with self._lock:
            self._codec, self._why_not, self._reordered = head.codec, "", reordered
        self._told = ""
        self.fragments.begin(head)
        if reordered:
            self.pictures.end(REORDERED)
        else:
            self.pictures.begin(head)

    def refuse(self, why: str) -> None:
        """The same as :meth:`end`, and the log is told once."""
        if why != self._told:
            self._told = why
            log.info("%s: browsers get no such video: %s", self.name, why, extra={"source": self.name})
        self.end(why)

    def end(self, why: str) -> None:
        """From the thread that packets come from: say why none are sent."""
        with self._lock:
            self._codec, self._why_not, self._refused = "", why, True
        self.fragments.end(why)
        self.pictures.end(why)


class _Muxer:
    """Fragments of MP4, one for each picture; FFmpeg completes one when the next picture comes."""

    def __init__(self, tracks: Tracks, first_dts: int) -> None:
        self._first_dts = first_dts
        self._written: list[bytes] = []
        self._before: tuple[bytes, bool] | None = None
        self._container: OutputContainer = av.open(_Writer(self._written), "w", format="mp4", options=_MP4)
        self._stream: Stream = tracks.add_to(self._container)["video"]
        self._container.start_encoding()
        self.head = self._taken()

    def push(self, packet: CameraPacket, pts: int, dts: int) -> Fragment | None:
        """Add a packet, with ticks of ``TIME_BASE``; the fragment of the one before."""
        copy = Packet(packet.data)
        copy.pts, copy.dts, copy.time_base = pts - self._first_dts, dts - self._first_dts, TIME_BASE
        copy.is_keyframe, copy.stream = packet.key, self._stream
        self._container.mux_one(copy)
        before, data = self._before, self._taken()
        stamp = float("nan") if packet.pts is None else float(packet.pts)
        self._before = _HEAD.pack(float((pts - self._first_dts) * TIME_BASE), stamp, packet.key), packet.key
        return None if before is None else Fragment(before[0] + data, before[1])

    def _taken(self) -> bytes:
        data = b"".join(self._written)
        self._written.clear()
        return data


class _Writer:
    """What PyAV writes to; without ``seek``, so that nothing is changed later."""

    def __init__(self, written: list[bytes]) -> None:
        self._written = written

    def write(self, data: bytes) -> int:
        """Keep it."""
        self._written.append(bytes(data))
        return len(data)


def _sps(streams: CameraStreams, key: CameraPacket) -> bytes:
    """The sequence parameters, from their unit's first byte on; empty where they are not there."""
    extradata = streams.video.extradata or b""
    if extradata.startswith(b"\x01"):  # as in RTMP: version, then what the unit says, too
        return b"\x67" + extradata[1:4]
    return parameter_sets("h264", key.data) or parameter_sets("h264", extradata)


def _codec_of(streams: CameraStreams, key: CameraPacket) -> str:
    return f"avc1.{_sps(streams, key)[1:4].hex()}"
