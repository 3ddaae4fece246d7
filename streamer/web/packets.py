"""A camera's own H.264 on its way to browsers, as fragments of MP4: nothing is decoded or encoded for looking."""

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
from streamer.sources.live_timestamps import TIME_BASE
from streamer.sources.packets import CameraPacket, CameraStreams
from streamer.sources.whole_pictures import parameter_sets

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.stream import Stream

log = logging.getLogger(__name__)

MOST_BYTES = 16 * 2**20
"""A group of pictures that is larger is not kept: who comes then waits for the next key frame."""
MOST_PICTURES = 2000
"""The same, in pictures."""
MOST_WAITING = 50
"""Pictures that may wait for one viewer, two seconds of most cameras; then it is cut over to the next key frame."""
AWAY_S = 2.0
"""Without a packet for so long a camera is away."""
_PROFILES = {66: "Baseline", 77: "Main", 100: "High"}
"""What browsers play: 8 bit, 4:2:0."""
_MP4 = {"movflags": "frag_every_frame+empty_moov+default_base_moof+skip_trailer", "flush_packets": "1"}
_HEAD = struct.Struct(">dd?")


@dataclass(frozen=True, slots=True)
class Fragment:
    """One picture as it is sent."""

    data: bytes
    """Two big-endian doubles (its time in the video, in seconds; the camera's own time stamp, NaN where there is none), a byte
    that is 1 for a key frame, then a fragment of MP4."""
    key: bool


class VideoViewer:
    """A browser that plays the packets of a camera. Used in the server's loop."""

    def __init__(self) -> None:
        self.cuts = 0
        """How often it was too slow, and pictures were left out up to the next key frame."""
        self._waiting: deque[str | bytes | Fragment] = deque()
        self._fragments = 0
        self._most = MOST_WAITING
        self._until_key = False
        self._there = asyncio.Event()

    def begin(self, codec: str, head: bytes, group: tuple[Fragment, ...] = ()) -> None:
        """Another video: its codec as browsers name it, the head of its MP4, and what there is of it already."""
        self._waiting.clear()
        self._waiting += (json.dumps({"codec": codec}), head, *group)
        self._fragments = len(group)
        self._most = MOST_WAITING + len(group)
        self._until_key = not group
        self._there.set()

    def put(self, fragment: Fragment) -> None:
        """The next picture; a viewer that is too slow gets none up to the next key frame."""
        if self._fragments >= self._most:
            self._waiting = deque(each for each in self._waiting if not isinstance(each, Fragment))
            self._fragments, self._most, self._until_key = 0, MOST_WAITING, True
            self.cuts += 1
        if self._until_key and not fragment.key:
            return
        self._until_key = False
        self._waiting.append(fragment)
        self._fragments += 1
        self._there.set()

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
    """Implements ``PacketTap``: makes one MP4 of a camera's packets for all who watch, and keeps its last group of pictures.

    Packets come from the connection's thread, which never waits and never fails here; viewers live in the server's loop.
    """

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._viewers: dict[VideoViewer, asyncio.AbstractEventLoop] = {}
        self._codec = ""
        self._why_not = "no picture has come yet"
        self._head = b""
        self._group: list[Fragment] = []
        self._group_bytes = 0
        self._newest_s = 0.0
        """Monotonic seconds when the newest packet came."""
        self._told = ""
        # What follows belongs to the connection's thread.
        self._streams: CameraStreams | None = None
        self._times: PacketTimes | None = None
        self._tracks: Tracks | None = None
        self._muxer: _Muxer | None = None

    @property
    def codec(self) -> str:
        """The codec as browsers name it, such as ``avc1.42c01f``; empty where they get no packets."""
        with self._lock:
            return self._codec

    @property
    def why_not(self) -> str:
        """Why no packets are sent; empty where they are."""
        with self._lock:
            return self._why_not

    def begin(self, streams: CameraStreams) -> None:
        """A connection is open."""
        self._streams = replace(streams, audio=None)
        self._times, self._tracks, self._muxer = PacketTimes(streams.video.rate), None, None
        if streams.video.codec != "h264":
            self._refuse(f"the camera sends {streams.video.codec}, which browsers do not play")

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
            if self._muxer is None:
                if not packet.key:
                    return
                self._muxer = _Muxer(self._tracks, placed.dts)
                self._begin(_codec_of(streams, packet), self._muxer.head)
            done = self._muxer.push(packet, placed.pts, placed.dts)
        except (av.error.FFmpegError, StreamerError, ValueError) as error:
            self._tracks = self._muxer = None
            self._refuse(f"the camera's packets cannot be sent: {in_one_line(error)}")
            return
        self._newest_s = packet.arrived_s
        if done is not None:
            self._send(done)

    def join(self, viewer: VideoViewer) -> None:
        """From the server's loop: begin to watch."""
        with self._lock:
            self._viewers[viewer] = asyncio.get_running_loop()
            if self._codec:
                is_away = self._clock() - self._newest_s > AWAY_S  # old pictures would look as if they were of now
                viewer.begin(self._codec, self._head, () if is_away else tuple(self._group))

    def leave(self, viewer: VideoViewer) -> None:
        """From the server's loop: watch no longer."""
        with self._lock:
            self._viewers.pop(viewer, None)

    def _look_at(self, streams: CameraStreams, key: CameraPacket) -> None:
        self._tracks = self._muxer = None
        said = _sps(streams, key)
        if len(said) < 4:
            return  # parameters come with a later key frame
        if said[1] not in _PROFILES:
            self._refuse(f"the camera sends H.264 of profile {said[1]}, which browsers do not play")
            return
        self._tracks = Tracks(streams, key)

    def _begin(self, codec: str, head: bytes) -> None:
        with self._lock:
            self._codec, self._why_not, self._head = codec, "", head
            self._group, self._group_bytes = [], 0
            viewers = dict(self._viewers)
        self._told = ""
        for viewer, loop in viewers.items():
            _call(loop, viewer.begin, codec, head)

    def _send(self, fragment: Fragment) -> None:
        with self._lock:
            if fragment.key:
                self._group, self._group_bytes = [], 0
            if fragment.key or self._group:
                self._group.append(fragment)
                self._group_bytes += len(fragment.data)
                if self._group_bytes > MOST_BYTES or len(self._group) > MOST_PICTURES:
                    self._group, self._group_bytes = [], 0
            viewers = dict(self._viewers)
        for viewer, loop in viewers.items():
            _call(loop, viewer.put, fragment)

    def _refuse(self, why: str) -> None:
        with self._lock:
            self._codec, self._why_not, self._head = "", why, b""
            self._group, self._group_bytes = [], 0
            viewers = dict(self._viewers)
        if why != self._told:
            self._told = why
            log.info("%s: browsers get JPEG pictures: %s", self.name, why, extra={"source": self.name})
        for viewer, loop in viewers.items():
            _call(loop, viewer.tell, json.dumps({"refused": why}))


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


def _call(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *what: object) -> None:
    try:
        loop.call_soon_threadsafe(call, *what)
    except RuntimeError:  # the server was closed meanwhile
        log.debug("a viewer was there no more")
