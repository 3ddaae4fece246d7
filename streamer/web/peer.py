"""A WebRTC connection to a browser: pictures come, pictures go. Besides it only ``video_peer.py`` knows aiortc, an extra.

Nothing is asked of the internet: without ``ice_servers`` only addresses of this machine are offered, in milliseconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial

import av

from streamer.web.srtp import load_srtp

load_srtp()  # aiortc imports it

from aiortc import (  # noqa: E402
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpHeaderExtensionParameters,
    RTCRtpParameters,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.codecs import HEADER_EXTENSIONS, h264, vpx  # noqa: E402
from aiortc.mediastreams import MediaStreamError  # noqa: E402
from aiortc.rtp import (  # noqa: E402
    HeaderExtensions,
    HeaderExtensionsMap,
    pack_header_extensions,
    unpack_header_extensions,
)

log = logging.getLogger(__name__)

CLOCK = Fraction(1, 90_000)
"""Seconds a tick of what is sent."""
_ASK_S = 1
"""For how long a STUN server may think. aioice waits for 5 s, in which browsers have long taken another way; one that is away
must not keep those from connecting who need none."""
CONNECT_S = 15.0
"""A browser that has not connected by then never will: nothing else would notice, its offers have no end of candidates."""
SILENT_S = 10.0
"""A browser that is to send pictures and sends none for so long is gone, or its tab sleeps."""
H264 = "video/H264"
MOST_SDP = 64 * 1024
"""Characters of a session description; browsers send some 6,000."""
_BIT_RATES = {"DEFAULT_BITRATE": 2_500_000, "MIN_BITRATE": 400_000, "MAX_BITRATE": 6_000_000}
"""Bits a second of a connection's picture. aiortc's own (1, 0.5 and 3 million) blur 720p."""
PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
"""An extension of RTP: between which delays a browser may show a picture after it came."""
_NO_DELAY = bytes(3)
"""From 0 to 0 ms, 12 bits each: Chromium shows a picture once it is decoded, in place of 10 ms later or more."""


class BadOffer(ValueError):
    """What a browser offered is no session description, or none with a picture."""


class Outgoing(MediaStreamTrack):
    """The pictures that are sent: always the newest one. Used in the server's loop."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._newest: av.VideoFrame | None = None
        self._there = asyncio.Event()
        self._last = -1

    def put(self, picture: av.VideoFrame, pts: int) -> None:
        """Leave a picture, shown at ``pts`` ticks of ``CLOCK``; one that was not taken yet is gone. It is not written to."""
        if pts > self._last:
            fresh = picture.reformat()
            fresh.pts, fresh.time_base = pts, CLOCK
            self._newest, self._last = fresh, pts
            self._there.set()

    async def recv(self) -> av.VideoFrame:
        """The next one, for aiortc."""
        while True:
            if self.readyState != "live":
                raise MediaStreamError
            await self._there.wait()
            self._there.clear()
            if (picture := self._newest) is not None:
                self._newest = None
                return picture

    def stop(self) -> None:
        """No more pictures will come."""
        super().stop()
        self._there.set()


class Connection:
    """One connection, which sends ``track``. All of it runs in the server's loop; ``ended`` is called once, with the reason."""

    def __init__(
        self, track: MediaStreamTrack, ended: Callable[[str], None], ice_servers: Sequence[str] = (), *, others: bool = True
    ) -> None:
        """``ice_servers`` are URLs of STUN servers; ``others``: a browser without H.264 may get another codec."""
        _prepare_aiortc()
        servers = [RTCIceServer(urls=url) for url in ice_servers]
        self._ended = ended
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Future[None] | None = None
        # Before anything can happen of which nobody would hear.
        self._connection.on("connectionstatechange", self._changed)
        self._track = track
        self.sender = self._connection.addTrack(track)
        vars(self.sender)["_RTCRtpSender__rtp_header_extensions_map"] = _ShownAtOnce()
        if servers:
            _ask_shortly(self.sender)
        for transceiver in self._connection.getTransceivers():
            capabilities = RTCRtpSender.getCapabilities("video").codecs
            # The browser's first choice may be VP8, which takes longer here and blurs more.
            codecs = sorted(capabilities, key=lambda codec: codec.mimeType != H264)
            transceiver.setCodecPreferences([codec for codec in codecs if others or codec.mimeType in (H264, "video/rtx")])

    @property
    def connected(self) -> bool:
        """Whether the browser is there."""
        return bool(self._connection.connectionState == "connected")

    async def answer(self, offer: str) -> str:
        """The answer to a browser's offer, both as SDP. Raises ``BadOffer``."""
        connection = self._connection
        if len(offer) > MOST_SDP:
            raise BadOffer("the offer is too long")
        try:
            await connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
            if has_picture := any(one.kind == "video" and one.mid for one in connection.getTransceivers()):
                await connection.setLocalDescription(await connection.createAnswer())
        except Exception as error:
            # aiortc has no error of its own for a text that it cannot read: it raises whatever it stumbles over.
            log.debug("an offer that cannot be read", exc_info=True)
            raise BadOffer("the offer cannot be read") from error
        if not has_picture:
            raise BadOffer("the offer has no picture")
        self._spawn(self._give_up_in(CONNECT_S))
        return connection.localDescription.sdp

    async def close(self, reason: str = "closed") -> None:
        """End it, also where whoever asks for it is cancelled meanwhile. May be called twice."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close(reason))
        await asyncio.shield(self._closing)

    async def _close(self, reason: str) -> None:
        self._track.stop()
        for task in self._tasks:
            task.cancel()
        await self._connection.close()
        self._ended(reason)

    async def _give_up_in(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if not self.connected:
            await self.close(f"no connection within {seconds:.0f} s")

    def _changed(self) -> None:
        state = self._connection.connectionState
        if state in ("failed", "closed"):
            self._spawn(self.close("the browser is gone"))

    def _spawn(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]  # of a coroutine
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Peer(Connection):
    """A browser that sends pictures and gets some back."""

    def __init__(
        self,
        taken: Callable[[av.VideoFrame], None] | None,
        ended: Callable[[str], None],
        ice_servers: Sequence[str] = (),
    ) -> None:
        """``taken`` is called with each picture that comes; None: none is wanted."""
        self.outgoing = Outgoing()
        super().__init__(self.outgoing, ended, ice_servers)
        self._taken = taken
        self._connection.on("track", self._comes)

    def _comes(self, track: MediaStreamTrack) -> None:
        if track.kind == "video" and self._taken is not None:
            self._spawn(self._take(track, self._taken))
        else:
            track.stop()

    async def _take(self, track: MediaStreamTrack, taken: Callable[[av.VideoFrame], None]) -> None:
        """Hand on what comes, until nothing does."""
        patience_s = CONNECT_S + SILENT_S
        try:
            while True:
                async with asyncio.timeout(patience_s):
                    picture = await track.recv()
                patience_s = SILENT_S
                if isinstance(picture, av.VideoFrame):
                    taken(picture)
        except TimeoutError:
            await self.close(f"no picture has come for {patience_s:.0f} s")
        except MediaStreamError:
            await self.close("the browser has ended it")


def _ask_shortly(sender: RTCRtpSender) -> None:
    """Wait for STUN servers no longer than they are worth. aiortc has no option for it."""
    ice = sender.transport.transport._connection  # noqa: SLF001  # as above
    ice.get_component_candidates = partial(ice.get_component_candidates, timeout=_ASK_S)  # type: ignore[method-assign]  # as above


class _ShownAtOnce(HeaderExtensionsMap):
    """Extensions of RTP headers, with ``PLAYOUT_DELAY`` where the browser knows it. aiortc has no option for it."""

    def __init__(self) -> None:
        super().__init__()
        self._id = 0

    def configure(self, parameters: RTCRtpParameters) -> None:
        super().configure(parameters)
        self._id = next((each.id for each in parameters.headerExtensions if each.uri == PLAYOUT_DELAY), 0)

    def set(self, values: HeaderExtensions) -> tuple[int, bytes]:
        profile, packed = super().set(values)
        if not self._id:
            return profile, packed
        return pack_header_extensions([*unpack_header_extensions(profile, packed), (self._id, _NO_DELAY)])


def _prepare_aiortc() -> None:
    """aiortc keeps its limits and what it can negotiate in its modules, for all connections."""
    logging.getLogger("aioice").setLevel(logging.WARNING)  # it logs ten lines for each browser that connects
    known = HEADER_EXTENSIONS["video"]
    if all(each.uri != PLAYOUT_DELAY for each in known):
        known.append(RTCRtpHeaderExtensionParameters(id=max(each.id for each in known) + 1, uri=PLAYOUT_DELAY))
    for codec in (h264, vpx):
        for name, rate in _BIT_RATES.items():
            setattr(codec, name, rate)
