"""A live source whose packets are wanted, not its pictures: nothing is decoded."""

from __future__ import annotations

import logging
import random as random_module
import threading
import time
from collections.abc import Callable

from streamer.errors import SourceAuthFailed, SourceError, SourceLost, SourceTimeout
from streamer.redact import redact
from streamer.runtime.backoff import Backoff
from streamer.sources.address import Address, parse_address
from streamer.sources.connection import Connection, Timeouts
from streamer.sources.open_options import Transport
from streamer.sources.packets import CameraPacket, CameraStreams, PacketTap
from streamer.sources.seen_packets import SeenPackets
from streamer.sources.state import SourceStats
from streamer.stages import State

log = logging.getLogger(__name__)

_STEADY_S = 2.0
"""Packets for so long, and the outage before is forgotten: a source that flaps is asked ever more seldom."""
_JOIN_S = 0.5
_MOST_STUCK = 4


class PacketSource:
    """Implements ``PacketTap`` between a camera and ``tap``: connects, hands on every packet, and connects again.

    :meth:`run` belongs to one thread; what it says of itself may be read from any.
    """

    def __init__(
        self,
        address: Address | str,
        tap: PacketTap,
        *,
        name: str = "",
        patient: bool = True,
        transport: Transport = "auto",
        open_timeout_s: float = 5.0,
        read_timeout_s: float = 5.0,
        reconnect_initial_delay_s: float = 0.5,
        reconnect_max_delay_s: float = 30.0,
        reconnect_attempts: int = 0,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        """``name`` is what the log calls it. Not ``patient``: a first attempt that fails is the last. ``reconnect_attempts`` 0
        is for ever.
        """
        self.stats = SourceStats()
        self.state = State.STARTING
        self.since_s, self.since_utc_s = clock(), utc()
        self.reason = ""
        """Why it is not running, without credentials."""
        self.streams: CameraStreams | None = None
        """What the newest connection sends."""
        self._address = parse_address(address) if isinstance(address, str) else address
        self._tap = tap
        self._patient = patient
        self._name = name or self._address.name
        self._transport: Transport = transport
        self._timeouts = Timeouts(open_s=open_timeout_s, read_s=read_timeout_s, picture_s=2 * read_timeout_s)
        self._backoff = Backoff(initial_s=reconnect_initial_delay_s, max_s=reconnect_max_delay_s)
        self._max_delay_s = reconnect_max_delay_s
        self._attempts = reconnect_attempts
        self._clock, self._utc, self._random = clock, utc, random
        self._seen = SeenPackets()
        self._stop = threading.Event()
        self._connection: Connection | None = None
        self._stuck: list[Connection] = []
        self._up_since: float | None = None

    def begin(self, streams: CameraStreams) -> None:
        """From the connection: it is open."""
        self.streams = streams
        self._tap.begin(streams)

    def take(self, packet: CameraPacket) -> None:
        """From the connection: the next packet."""
        if packet.kind == "video":
            self.stats.frames += 1
            self.stats.last_frame_at = packet.arrived_s
            if self._up_since is None:
                self._up_since = packet.arrived_s
                self.stats.reconnects += self.state is State.RECONNECTING
                self._enter(State.RUNNING)
        self._tap.take(packet)

    def run(self) -> None:
        """Connect again and again, until :meth:`interrupt`.

        Raises ``SourceLost`` after ``reconnect_attempts`` vain ones, or the ``SourceError`` of the first one, if not patient.
        """
        away_since, vain = self._clock(), 0
        while not self._stop.is_set():
            begun = self._clock()
            failure = self._read_once()
            if failure is None:
                break
            up_since, self._up_since = self._up_since, None
            last = self.stats.last_frame_at
            if up_since is not None and last is not None:
                self.stats.stalls += isinstance(failure, SourceTimeout)
                vain = 0
                if last - up_since >= _STEADY_S:
                    away_since = last
            else:
                vain += 1
            if not self._patient and not self.stats.frames:
                self._enter(State.FAILED, str(failure))
                raise failure
            self._enter(State.RECONNECTING, str(failure))
            if vain and vain == self._attempts:
                self._enter(State.FAILED, str(failure))
                raise SourceLost(f"{self._name} went away and {vain} attempts to connect again failed", hint=str(failure))
            delay_s = self._backoff.delay_s(self._clock() - away_since, self._random)
            # A wrong password is not tried often: cameras lock out who does that.
            delay_s = self._max_delay_s if isinstance(failure, SourceAuthFailed) else delay_s
            self._stop.wait(max(0.05, begun + delay_s - self._clock()))
            self.stats.attempts += 1
        self._enter(State.ENDED)

    def interrupt(self) -> None:
        """From any thread: make :meth:`run` end at once."""
        self._stop.set()
        if (connection := self._connection) is not None:
            connection.cancel()

    def _read_once(self) -> SourceError | None:
        """Read one connection to its end; what ended it, or None once interrupted."""
        self._stuck = [connection for connection in self._stuck if connection.alive]
        if len(self._stuck) >= _MOST_STUCK:
            return SourceTimeout(f"{self._name}: {_MOST_STUCK} attempts to connect are still stuck in the system")
        connection = self._connection = Connection(
            self._address,
            transport=self._transport,
            timeouts=self._timeouts,
            seen=self._seen,
            tap=self,
            decode=False,
            clock=self._clock,
            utc=self._utc,
        )
        connection.start()
        if self._stop.is_set():
            # interrupt() may have looked before there was anything to cancel.
            connection.cancel()
        try:
            connection.next()
        except SourceError as error:
            return error
        finally:
            connection.cancel()
            if not connection.join(_JOIN_S):
                self._stuck.append(connection)
        return None

    def _enter(self, state: State, reason: str = "") -> None:
        """One line for each change."""
        previous, self.state, self.reason = self.state, state, redact(reason)
        if state is previous:
            return
        self.since_s, self.since_utc_s = self._clock(), self._utc()
        level = logging.WARNING if state is State.RECONNECTING else logging.INFO
        told = f": {self.reason}" if self.reason else ""
        log.log(level, "%s: %s%s", self._name, state, told, extra={"source": self._name, "state": str(state)})
