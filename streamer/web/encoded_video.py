"""Pictures of one camera as H.264: encoded once for all who watch, not at all while nobody does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from streamer.frame import StreamInfo
from streamer.runtime.backoff import Backoff
from streamer.runtime.circuit_breaker import CircuitBreaker
from streamer.sinks.live_encoder import TIME_BASE, LiveEncoder
from streamer.sources.packets import CameraPacket, CameraStreams, EncodedStream
from streamer.stages import Annotated
from streamer.web.packets import PacketHub

log = logging.getLogger(__name__)

_LEAST_RATE = Fraction(25)
"""The bit rate is bounded as if pictures came so often at least: those of a slow camera differ more from each other."""
_BACKOFF = Backoff(initial_s=1.0, max_s=30.0)
"""Until an encoder that failed is tried again."""


class EncodedVideo:
    """One encoding of a camera's pictures. :meth:`encode` and :meth:`rest` belong to one thread, the rest is for any."""

    def __init__(self, name: str, most_width: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``most_width``: wider pictures are made smaller, in pixels."""
        self.most_width = most_width
        self.hub = PacketHub(name, make_key=self._want_key, stamps="pts", clock=clock)
        """Hands what is encoded to all who watch; its stamps are the pictures' own times, in ticks of ``TIME_BASE``."""
        self._name = name
        self._clock = clock
        self._breaker = CircuitBreaker(_BACKOFF)
        self._encoder: LiveEncoder | None = None
        self._info: StreamInfo | None = None
        self._last = -1
        self._wants_key = False

    @property
    def watched(self) -> bool:
        """Whether anybody watches."""
        return self.hub.watched

    def encode(self, item: Annotated, info: StreamInfo) -> None:
        """Encode the next picture of a stream, without drawings, with what privacy covers, and hand it to all who watch.

        Never raises: who watches is told, and pictures are left out until the encoder may be tried again.
        """
        if self._clock() < self._breaker.retry_at:
            return
        pts = pts_of(item)
        try:
            if self._encoder is None or info != self._info or pts <= self._last:
                self._begin(info)
            assert self._encoder is not None
            key, self._wants_key = self._wants_key, False
            packets = self._encoder.encode(item.clean(), item.frame.orientation, pts, key=key)
        except Exception as error:
            self._encoder = None
            # With the traceback, but once: viewers are told the reason each time.
            if self._breaker.failed(error, self._clock()):
                log.exception("%s: its pictures cannot be encoded, other ways go on", self._name, extra={"source": self._name})
            self.hub.end(f"its pictures cannot be encoded: {self._breaker.reason}")
            return
        if self._breaker.worked(self._clock()):
            log.warning("%s: its pictures are encoded again", self._name, extra={"source": self._name})
        self._last = pts
        for packet in packets:
            self.hub.take(
                CameraPacket(
                    kind="video",
                    data=bytes(packet),
                    pts=packet.pts,
                    dts=packet.dts,
                    time_base=TIME_BASE,
                    key=packet.is_keyframe,
                    arrived_s=self._clock(),
                    utc_s=0.0 if item.frame.utc_s is None else item.frame.utc_s,
                    camera_clock=False,
                )
            )

    def rest(self) -> None:
        """Nobody watches: let go of the encoder."""
        self._encoder = None

    def _begin(self, info: StreamInfo) -> None:
        width, height = info.width, info.height
        if width > self.most_width:
            width, height = self.most_width, max(2, round(height * self.most_width / width))
        rate = max(info.rate or _LEAST_RATE, _LEAST_RATE)
        self._encoder = LiveEncoder(replace(info, width=width, height=height, rate=rate))
        self._info = info
        self.hub.begin(CameraStreams(video=EncodedStream(codec="h264", extradata=None, rate=info.rate, header=None)))

    def _want_key(self) -> None:
        self._wants_key = True


def pts_of(item: Annotated) -> int:
    """When a frame is shown, in ticks of ``TIME_BASE`` of its stream."""
    return round(item.frame.pts * item.frame.time_base / TIME_BASE)
