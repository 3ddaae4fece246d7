"""A live source: a camera or network stream that is connected to again whenever its frames stop."""

from __future__ import annotations

import random as random_module
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

from streamer.errors import SourceError, SourceLost, SourceTimeout, SourceUnavailable, in_one_line
from streamer.frame import Frame, StreamInfo
from streamer.runtime.backoff import Backoff
from streamer.sources.address import Address, parse_address
from streamer.sources.connection import Connection, Timeouts
from streamer.sources.conversion import Converter
from streamer.sources.live_timestamps import TIME_BASE, LiveTimeline
from streamer.sources.open_options import Transport
from streamer.sources.packets import PacketTap
from streamer.sources.pictures import Picture
from streamer.sources.seen_packets import SeenPackets
from streamer.sources.state import SourceStats, StateChange
from streamer.stages import State

Damaged = Literal["show", "drop"]

_STEADY_S = 2.0
"""Frames for so long, and the outage before is forgotten: a source that flaps is asked ever more seldom."""
_BRISK_S = 10.0
"""In the first seconds of an outage an attempt is given less patience, so that the next one comes sooner."""
_BRISK_OPEN_S = 1.3
"""Long enough for the second packet of a TCP handshake whose first one was lost: it is sent after a second."""
_LEAST_PAUSE_S = 0.05
_FRESH_S = 0.25
_JOIN_S = 0.5
_MOST_STUCK = 4


class LiveSource:
    """Implements ``stages.Source``: ``open`` connects once, ``frames`` yields until :meth:`interrupt`, and reconnects.

    What counts as alive is the age of the newest picture, not the absence of an error: an end without a word, silence, a
    refusal, data without pictures all lead to another connection, for ever or ``reconnect_attempts`` times in a row. The
    stream goes on after it: same size (another one is scaled), same time line (the gap is the time that passed).

    >>> with_password = LiveSource("rtsp://admin:s3cret@10.0.0.7/live", transport="tcp")
    >>> with_password.name
    'rtsp://admin:***@10.0.0.7/live'
    """

    def __init__(
        self,
        address: Address | str,
        *,
        transport: Transport = "auto",
        open_timeout_s: float = 5.0,
        read_timeout_s: float = 5.0,
        picture_timeout_s: float | None = None,
        reconnect_initial_delay_s: float = 0.5,
        reconnect_max_delay_s: float = 30.0,
        reconnect_attempts: int = 0,
        damaged: Damaged = "show",
        on_state: Callable[[StateChange], None] | None = None,
        tap: PacketTap | None = None,
        sound: bool = True,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        """``picture_timeout_s`` (3 times ``read_timeout_s``) is how long packets may come without a sound picture: it has to
        be longer than the key frame interval. ``reconnect_attempts`` 0 is for ever. ``on_state`` is called at each change of
        state, by the thread that runs ``open``, ``frames`` or ``close``. ``tap`` is handed all packets of video and, with
        ``sound``, of sound, which is not read otherwise.
        """
        self.stats = SourceStats()
        self.state = State.STARTING
        self.since_s = clock()
        """Monotonic seconds when it came into its state."""
        self.since_utc_s = utc()
        """Seconds since 1970 of the same moment."""
        self.reason = ""
        """Why it is not running, without credentials."""
        self._address = parse_address(address) if isinstance(address, str) else address
        self._transport: Transport = transport
        picture_s = 3 * read_timeout_s if picture_timeout_s is None else picture_timeout_s
        self._timeouts = Timeouts(open_s=open_timeout_s, read_s=read_timeout_s, picture_s=picture_s)
        self._backoff = Backoff(initial_s=reconnect_initial_delay_s, max_s=reconnect_max_delay_s)
        self._attempts = reconnect_attempts
        self._drop_damaged = damaged == "drop"
        self._on_state = on_state
        self._tap = tap
        self._sound = sound
        self._clock = clock
        self._utc = utc
        self._random = random
        self._timeline = LiveTimeline()
        self._seen = SeenPackets()
        self._stop = threading.Event()
        self._connection: Connection | None = None
        self._stuck: list[Connection] = []
        self._first: Picture | None = None
        self._converter: Converter | None = None
        self._info: StreamInfo | None = None
        self._opened_in_s = 0.0
        self._up_since: float | None = None
        self._away_since: float | None = None
        self._counted = (0, 0)

    @property
    def name(self) -> str:
        """The address without credentials."""
        return self._address.name

    @property
    def info(self) -> StreamInfo:
        """What ``open`` returned."""
        if self._info is None:
            raise SourceUnavailable(f"{self.name} is not open", hint="call open() first")
        return self._info

    @property
    def stuck_connections(self) -> int:
        """Connections given up whose threads have not come back from the system yet."""
        self._stuck = [connection for connection in self._stuck if connection.alive]
        return len(self._stuck)

    def open(self) -> StreamInfo:
        """Connect, once, and wait for the first picture. Raises ``SourceUnavailable``, ``SourceAuthFailed``,
        ``SourceTimeout`` or ``SourceUnsupported``.
        """
        try:
            first = self._connect(self._timeouts)
        except SourceError as error:
            self._give_up_connection()
            self._enter(State.FAILED, str(error))
            raise
        if first is None:
            self._give_up_connection()
            raise SourceUnavailable(f"{self.name} was interrupted while it was being opened")
        self._first = first
        self._converter = Converter(first.picture)
        self._info = StreamInfo(
            source=self.name,
            width=first.picture.width,
            height=first.picture.height,
            time_base=TIME_BASE,
            rate=first.rate,
            sample_aspect_ratio=first.sample_aspect_ratio,
            color=self._converter.color,
            live=True,
        )
        self._enter(State.RUNNING)
        return self._info

    def frames(self) -> Iterator[Frame]:
        """Yield frames for ever, those that wait at once; reconnects in between.

        Raises ``SourceLost`` after ``reconnect_attempts`` vain ones.
        """
        picture, self._first = self._first, None
        if picture is not None and self._clock() - picture.arrived_s > _FRESH_S:
            # Long ago (the detector was loaded since), as are those that wait: it begins with what comes now.
            picture = None
            if self._connection is not None:
                self._connection.forget()
        if self._connection is not None:
            self._counted = (self._connection.overflowed, self._connection.undecodable_packets)
        index = 0
        while picture is not None or (picture := self._next()) is not None:
            self._count(picture)
            if picture.damaged and self._drop_damaged:
                self.stats.dropped["damaged"] += 1
                picture = None
                continue
            try:
                frame = self._frame(picture, index)
            except SourceError:
                raise
            except Exception as error:  # noqa: BLE001  # whatever a camera sends may not end it
                self.stats.dropped["failed"] += 1
                picture = self._reconnect(SourceLost(f"{self.name} sent a picture that cannot be used: {in_one_line(error)}"))
                continue
            yield frame
            index += 1
            picture = None

    def interrupt(self) -> None:
        """From any thread: make ``frames`` (or ``open``) end at once."""
        self._stop.set()
        if (connection := self._connection) is not None:
            connection.cancel()

    def close(self) -> None:
        """Let go of sockets and threads. May be called twice."""
        self.interrupt()
        self._give_up_connection()
        if self.state is not State.FAILED:
            self._enter(State.ENDED)

    def _frame(self, picture: Picture, index: int) -> Frame:
        if self._converter is None:
            raise SourceUnavailable(f"{self.name} is not open", hint="call open() first")
        return Frame(
            picture=self._converter.convert(picture.picture),
            index=index,
            pts=self._timeline.place(picture.pts, picture.time_base, picture.arrived_s),
            time_base=TIME_BASE,
            source=self.name,
            captured_at=picture.arrived_s,
            damaged=picture.damaged,
            utc_s=picture.utc_s,
            camera_pts=picture.pts,
        )

    def _count(self, picture: Picture) -> None:
        self.stats.frames += 1
        self.stats.damaged_frames += picture.damaged
        self.stats.last_frame_at = picture.arrived_s
        if self._up_since is None:
            self._up_since = picture.arrived_s
        elif picture.arrived_s - self._up_since >= _STEADY_S:
            self._away_since = None

    def _count_lost(self, connection: Connection) -> None:
        overflowed, undecodable = self._counted
        self._counted = (connection.overflowed, connection.undecodable_packets)
        self.stats.dropped["queue_full"] += self._counted[0] - overflowed
        self.stats.undecodable_packets += self._counted[1] - undecodable

    def _next(self) -> Picture | None:
        """The next picture, connecting again if need be; None once interrupted and everything decoded was handed out."""
        connection = self._connection
        if connection is None:
            if self._stop.is_set():
                return None
            raise SourceUnavailable(f"{self.name} is not open", hint="call open() first")
        try:
            picture = connection.next()
        except SourceError as error:
            self.stats.stalls += isinstance(error, SourceTimeout)
            return self._reconnect(error)
        self._count_lost(connection)
        return picture

    def _reconnect(self, error: SourceError) -> Picture | None:
        """Connect again and again, until a picture comes or :meth:`interrupt` is called."""
        if self._away_since is None:
            last = self.stats.last_frame_at
            self._away_since = self._clock() if last is None else last
        self._up_since = None
        if self._connection is not None:
            self._count_lost(self._connection)
        self._enter(State.RECONNECTING, str(error))
        vain = 0
        self._give_up_connection()
        begun = self._clock()
        while not self._stop.wait(self._pause_s(begun)):
            begun = self._clock()
            self.stats.attempts += 1
            try:
                picture = self._connect(self._patience())
            except SourceError as failure:
                self._give_up_connection()
                vain += 1
                self.reason = str(failure)
                if vain == self._attempts:
                    self._enter(State.FAILED, str(failure))
                    raise SourceLost(
                        f"{self.name} went away and {vain} attempts to connect again failed", hint=str(failure)
                    ) from failure
                continue
            if picture is not None:
                self.stats.reconnects += 1
                self._timeline.restart()
                self._enter(State.RUNNING)
            return picture
        return None

    def _pause_s(self, begun: float) -> float:
        """How long to wait before the next attempt: from the beginning of the last one, which may itself have taken long."""
        now = self._clock()
        away_s = now - (now if self._away_since is None else self._away_since)
        return max(_LEAST_PAUSE_S, begun + self._backoff.delay_s(away_s, self._random) - now)

    def _patience(self) -> Timeouts:
        """Less patience with an attempt soon after the loss: a packet that was lost is repeated only seconds later."""
        away_s = self._clock() - (self._away_since or 0.0)
        if away_s >= _BRISK_S:
            return self._timeouts
        return replace(self._timeouts, open_s=min(self._timeouts.open_s, max(_BRISK_OPEN_S, 3.0 * self._opened_in_s)))

    def _connect(self, timeouts: Timeouts) -> Picture | None:
        """The first picture of a new connection, or None once interrupted. Raises the ``SourceError`` of its failure."""
        if self.stuck_connections >= _MOST_STUCK:
            raise SourceTimeout(f"{self.name}: {_MOST_STUCK} attempts to connect are still stuck in the system")
        connection = Connection(
            self._address,
            transport=self._transport,
            timeouts=timeouts,
            seen=self._seen,
            tap=self._tap,
            sound=self._sound,
            clock=self._clock,
            utc=self._utc,
        )
        self._connection = connection
        self._counted = (0, 0)
        connection.start()
        if self._stop.is_set():
            # interrupt() may have looked before there was anything to cancel.
            connection.cancel()
        picture = connection.next()
        if connection.opened_at is not None:
            self._opened_in_s = connection.opened_at - connection.started_at
        return picture

    def _give_up_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.cancel()
        if not connection.join(_JOIN_S):
            self._stuck.append(connection)

    def _enter(self, state: State, reason: str = "") -> None:
        previous, self.state, self.reason = self.state, state, reason
        if state is previous:
            return
        self.since_s, self.since_utc_s = self._clock(), self._utc()
        if self._on_state is not None:
            change = StateChange(
                source=self.name,
                state=state,
                previous=previous,
                at_s=self.since_s,
                utc_s=self.since_utc_s,
                reason=reason,
            )
            self._on_state(change)
