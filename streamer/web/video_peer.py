"""A camera's encoded pictures to a browser by WebRTC: as they are, nothing is encoded here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import av
from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    unpack_remb_fci,
)

from streamer.web.line import Line
from streamer.web.packets import MOST_WAITING, EncodedPicture, VideoHead
from streamer.web.peer import CLOCK, Connection
from streamer.web.rtp_times import RtpTimes

log = logging.getLogger(__name__)

STALLED_S = 10.0
"""A browser of which nothing was heard for so long is gone, or takes nothing. Those that live report each second."""
CATCH_UP_BITS_PER_S = 40_000_000
"""How fast pictures are sent that there were before somebody came: all at once, they would be lost on the way."""
_AGAIN_S = 2.0
"""A browser that has lost pictures is not given those since the last key frame sooner again."""
_CHECK_S = 1.0
_TURN_S = 0.005
"""Shorter pauses are not made: on a busy machine each takes longer than that."""


class PacketTrack(MediaStreamTrack):
    """Encoded pictures for one browser; implements ``relay.Watching``. Used in the server's loop."""

    kind = "video"

    def __init__(
        self,
        begun: Callable[[VideoHead], None],
        sent: Callable[[int, int | None], None],
        refused: Callable[[str], None],
    ) -> None:
        """``sent`` is told of each picture its time stamp as the browser sees it (``rtpTimestamp``) and its own."""
        super().__init__()
        self.cuts = 0
        """How often it was too slow, and pictures were left out up to the next key frame."""
        self.sender: RTCRtpSender | None = None
        self._begun = begun
        self._sent = sent
        self._refused = refused
        self._queue: deque[EncodedPicture] = deque()
        self._there = asyncio.Event()
        self._times = RtpTimes()
        self._until_key = True
        self._most = MOST_WAITING
        self._behind_since_s: float | None = None
        """Since when pictures are sent that were there before, as fast as the line may take them; None: all are of now."""
        self._behind_bits = 0
        self._last: tuple[int, int | None] | None = None
        """Ticks and stamp of the picture that was handed over last."""

    def begin(self, head: VideoHead, group: tuple[EncodedPicture, ...] = ()) -> None:
        """Another video."""
        self._begun(head)
        self._queue = deque(group)
        self._most = MOST_WAITING + len(group)
        self._behind_since_s, self._behind_bits = time.monotonic() if group else None, 0
        self._until_key = not group
        self._times.begin()
        self._there.set()

    def put(self, picture: EncodedPicture) -> None:
        """The next picture; a browser that is too slow gets none up to the next key frame."""
        if len(self._queue) >= self._most:
            self._queue.clear()
            self._most, self._behind_since_s, self._until_key = MOST_WAITING, None, True
            self.cuts += 1
        if self._until_key and not picture.key:
            return
        self._until_key = False
        self._queue.append(picture)
        self._there.set()

    def refuse(self, why: str) -> None:
        """No more pictures come."""
        self._queue.clear()
        self._refused(why)

    async def recv(self) -> av.Packet[Any]:
        """The next one, for aiortc, which asks when the one before has gone out."""
        self._tell_of_last()
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._there.clear()
            await self._there.wait()
        picture = self._queue.popleft()
        if self._behind_since_s is not None:
            self._behind_bits += 8 * len(picture.data)
            early_s = self._behind_bits / CATCH_UP_BITS_PER_S - (time.monotonic() - self._behind_since_s)
            if early_s > _TURN_S:
                await asyncio.sleep(early_s)
            if not self._queue:
                self._behind_since_s = None
        if self.readyState != "live":
            raise MediaStreamError
        packet = av.Packet(picture.data)
        late = self._behind_since_s is not None
        packet.pts, packet.time_base = self._times.place(picture.ticks, time.monotonic(), late=late), Fraction(CLOCK)
        self._last = packet.pts, picture.stamp
        return packet

    def stop(self) -> None:
        """No more pictures will come."""
        super().stop()
        self._there.set()

    def _tell_of_last(self) -> None:
        """aiortc adds a number of its own to all time stamps, which only the sender knows."""
        if self._last is not None and self.sender is not None:
            self._sent(rtp_timestamp(self.sender), self._last[1])
            self._last = None


class VideoPeer(Connection):
    """A browser that gets encoded pictures."""

    def __init__(
        self,
        track: PacketTrack,
        ended: Callable[[str], None],
        ice_servers: Sequence[str] = (),
        *,
        wants_key: Callable[[], None],
        looked: Callable[[Line, float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``wants_key`` is called where the browser cannot go on without a key frame, not more often than it may be;
        ``looked`` each second, with what is known of its line, and the time."""
        super().__init__(track, ended, ice_servers, others=False)
        track.sender = self.sender
        self._line = Line()
        self._looked = looked
        self._wants_key = wants_key
        self._clock = clock
        self._heard_s: float | None = None
        self._asked_s = -_AGAIN_S
        _listen(self.sender, self._hear)
        self._spawn(self._watch())

    def _hear(self, packet: AnyRtcpPacket) -> None:
        self._heard_s = self._clock()
        if isinstance(packet, RtcpRrPacket):
            for report in packet.reports:
                self._line.lost(report.fraction_lost / 256, self._heard_s)
        if not isinstance(packet, RtcpPsfbPacket):
            return
        if packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR):
            self._line.lost(1.0, self._heard_s)
            if self._heard_s - self._asked_s >= _AGAIN_S:
                self._asked_s = self._heard_s
                self._wants_key()
        elif packet.fmt == RTCP_PSFB_APP:
            try:
                self._line.estimate(unpack_remb_fci(packet.fci)[0], self._heard_s)
            except ValueError:
                log.debug("a report that is none")

    async def _watch(self) -> None:
        """Send away who takes nothing any more."""
        since_s = None
        while True:
            await asyncio.sleep(_CHECK_S)
            if not self.connected:
                continue
            now_s = self._clock()
            since_s = since_s or now_s
            if now_s - (self._heard_s or since_s) > STALLED_S:
                await self.close(f"it has taken no picture for {STALLED_S:.0f} s")
            self._looked(self._line, now_s)


def rtp_timestamp(sender: RTCRtpSender) -> int:
    """The time stamp of the last packet that was sent. aiortc has no other way to it."""
    return int(vars(sender)["_RTCRtpSender__rtp_timestamp"])


def _listen(sender: RTCRtpSender, heard: Callable[[AnyRtcpPacket], None]) -> None:
    """Hear what the browser reports. aiortc answers requests for key frames by encoding one, which it does not do here."""
    handle = sender._handle_rtcp_packet  # noqa: SLF001  # there is no event for it

    async def listening(packet: AnyRtcpPacket) -> None:
        heard(packet)
        await handle(packet)

    sender._handle_rtcp_packet = listening  # type: ignore[method-assign]  # noqa: SLF001  # as above
