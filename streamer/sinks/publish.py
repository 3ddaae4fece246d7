"""The picture as a live stream to a server or a receiver: RTSP, RTMP or MPEG-TS over UDP."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

import av

from streamer.errors import ConfigError
from streamer.frame import UPRIGHT, Orientation, StreamInfo
from streamer.redact import HIDDEN, redact, remember, split_userinfo
from streamer.runtime import tls
from streamer.runtime.backoff import Backoff
from streamer.sinks.live_encoder import TIME_BASE, LiveEncoder, upright_even
from streamer.sinks.output_timestamps import OutputTimestamps
from streamer.sinks.overlay import status_picture
from streamer.sinks.publish_process import ConnectionGone, Interrupted, PublishProcess
from streamer.stages import Annotated, OutputStatus, State

log = logging.getLogger(__name__)

FORMATS = {"rtsp": "rtsp", "rtsps": "rtsp", "rtmp": "flv", "rtmps": "flv", "udp": "mpegts"}
"""FFmpeg's name of what is sent, by the address's scheme."""

_GOODBYE_S = 0.5
_MOST_BEHIND = 8
"""Packets that may wait for a slow connection."""


class Publish:
    """Implements ``stages.Sink``; to be used within :class:`~streamer.sinks.queued.Queued`. Heals itself for ever.

    ``url``: ``rtsp://``, ``rtsps://`` (``transport`` ``tcp`` or ``udp``), ``rtmp://``, ``rtmps://`` or ``udp://``. Raises
    ``ConfigError`` for another one, ``EncoderUnavailable``. A target that is away, refuses, or takes no data for
    ``write_timeout_s`` is connected to again, as a source is; frames that come meanwhile are dropped and counted.

    Has an encoder of its own, so that a recording of the same picture keeps its quality when a connection does not.
    """

    def __init__(
        self,
        url: str,
        info: StreamInfo,
        *,
        transport: str = "tcp",
        key_interval_s: float = 2.0,
        open_timeout_s: float = 5.0,
        write_timeout_s: float = 5.0,
        reconnect_initial_delay_s: float = 0.5,
        reconnect_max_delay_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        remember(url)
        self.name = safe_name(url)
        self._url, self._format, self._options = _target(url, transport)
        self._open_timeout_s, self._write_timeout_s = open_timeout_s, write_timeout_s
        self._backoff = Backoff(initial_s=reconnect_initial_delay_s, max_s=reconnect_max_delay_s)
        self._clock, self._rng = clock, rng
        self._encoder = LiveEncoder(info, key_interval_s=key_interval_s)
        self._timestamps = OutputTimestamps()
        self._peer: PublishProcess | None = None
        self._asked_for_key = False
        self._first_pts = 0
        self._away_since: float | None = None
        self._retry_at = 0.0
        self._newest: tuple[av.VideoFrame, Orientation] | None = None
        self._state, self._error = State.STARTING, ""
        self._frames = self._bytes = self._dropped = self._reconnects = 0
        self._interrupted = threading.Event()

    def write(self, item: Annotated) -> None:
        """Send the next picture, or do what brings the connection about."""
        picture = item.drawn()
        self._newest = (picture, item.frame.orientation)
        now = self._clock()
        ticks = round(item.frame.pts * item.frame.time_base / TIME_BASE)
        if self._send(picture, item.frame.orientation, self._timestamps.frame(ticks, now), now):
            self._frames += 1
        else:
            self._dropped += 1

    def idle(self, text: str) -> None:
        """No frame comes: send the last picture dimmed, with ``text``; call it a few times a second."""
        encoder, now = self._encoder, self._clock()
        last = None if self._newest is None else upright_even(*self._newest, encoder.width, encoder.height)
        picture = status_picture(last, encoder.width, encoder.height, text)
        self._send(picture, UPRIGHT, self._timestamps.idle(now), now)

    def status(self) -> OutputStatus:
        """Any thread: how it is doing."""
        return OutputStatus(
            name=self.name,
            state=self._state,
            frames=self._frames,
            bytes=self._bytes,
            dropped=self._dropped,
            error=self._error,
        )

    @property
    def reconnects(self) -> int:
        """Times that it was connected again after it had been."""
        return self._reconnects

    def interrupt(self) -> None:
        """Any thread: let a waiting ``write``, and all later ones, return at once."""
        self._interrupted.set()
        if (peer := self._peer) is not None:
            peer.interrupt()

    def finish(self) -> None:
        """Say goodbye to the other side, for half a second at most."""
        self._close(0.0 if self._interrupted.is_set() else _GOODBYE_S)

    def abandon(self) -> None:
        """Cut the connection."""
        self._close(0.0)

    def _send(self, picture: av.VideoFrame, orientation: Orientation, pts: int, now: float) -> bool:
        if self._interrupted.is_set():
            return False
        opening = False
        try:
            if self._peer is None:
                if now < self._retry_at:
                    return False
                self._peer = self._connect()
                if self._interrupted.is_set():  # between the question above and now
                    return False
                self._first_pts = pts
                opening = True
            elif not self._peer.check() or self._peer.backlog > _MOST_BEHIND:
                return False  # before it is encoded: what is sent stays whole, and what is not sent is not late
            elif self._state != State.RUNNING:
                self._connected()
            # The opening packet is sent to connect with; it is old when the connection stands, so viewers get a new start.
            key = opening or self._asked_for_key
            self._asked_for_key = opening
            for packet in self._encoder.encode(picture, orientation, pts, key=key):
                at = pts - self._first_pts
                self._bytes += self._peer.send(packet, at, at)
        except ConnectionGone as gone:
            self._lost(str(gone), self._clock())
            return False
        except Interrupted:
            return False
        return not opening

    def _connect(self) -> PublishProcess:
        return PublishProcess(
            self._url,
            self._format,
            self._options,
            (self._encoder.width, self._encoder.height),
            open_timeout_s=self._open_timeout_s,
            write_timeout_s=self._write_timeout_s,
            clock=self._clock,
        )

    def _connected(self) -> None:
        if self._state == State.RECONNECTING and self._frames:
            self._reconnects += 1
        self._away_since = None
        self._say(State.RUNNING, "")

    def _lost(self, reason: str, now: float) -> None:
        """Let go of the connection, and say when to try the next one."""
        self._cut()
        if self._away_since is None:
            self._away_since = now
        self._retry_at = now + self._backoff.delay_s(now - self._away_since, self._rng)
        self._say(State.RECONNECTING, redact(" ".join(reason.replace(self._url, self.name).split())))

    def _cut(self, grace_s: float = 0.0) -> None:
        peer, self._peer = self._peer, None
        if peer is not None:
            peer.close(grace_s)

    def _close(self, grace_s: float) -> None:
        self._cut(grace_s)
        self._say(State.ENDED, "")

    def _say(self, state: State, error: str) -> None:
        """One line for each change, none for what has been said."""
        if (state, error) == (self._state, self._error):
            return
        self._state, self._error = state, error
        level = logging.WARNING if error else logging.INFO
        log.log(level, "%s: %s%s", self.name, state, f", {error}" if error else "", extra={"output": self.name, "state": state})


def safe_name(url: str) -> str:
    """``url`` for people: without password, and for RTMP without the stream key, which is the path's last part."""
    scheme, _, rest = split_userinfo(url)
    host_and_app, _, key = rest.partition("?")[0].rpartition("/")
    if scheme.startswith("rtmp") and "/" in host_and_app and key:
        url = f"{url[: len(url) - len(rest)]}{host_and_app}/{HIDDEN}{rest[len(host_and_app) + 1 + len(key) :]}"
    return redact(url)


def _target(url: str, transport: str) -> tuple[str, str, dict[str, str]]:
    """What FFmpeg is to be told: address, format, options."""
    scheme, _, rest = url.partition("://")
    if scheme not in FORMATS or not rest:
        known = ", ".join(f"{name}://" for name in FORMATS)
        raise ConfigError(f"cannot publish to {safe_name(url)}", hint=f"the address has to begin with one of {known}")
    if transport not in ("tcp", "udp"):
        raise ConfigError(f"transport of a published stream: expected tcp or udp, got {transport}")
    if FORMATS[scheme] == "rtsp":
        return url, "rtsp", {"rtsp_transport": transport, **tls.options(url)}
    if scheme == "udp":
        # Seven packets of MPEG-TS fit into one of Ethernet; FFmpeg's default would be cut in two.
        join = "&" if "?" in rest else "?"
        return (url if "pkt_size=" in rest else f"{url}{join}pkt_size=1316"), "mpegts", {"flush_packets": "1"}
    return url, "flv", {"flvflags": "no_duration_filesize", "flush_packets": "1"}
