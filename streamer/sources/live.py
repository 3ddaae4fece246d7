"""A live source that heals: a camera or network stream whose frames come for ever, whatever happens to the connection."""

from __future__ import annotations

import random as random_module
import time
from collections.abc import Callable, Iterator
from typing import Literal

from streamer.errors import SourceUnavailable
from streamer.frame import Frame, StreamInfo
from streamer.sources.address import Address
from streamer.sources.backoff import Backoff
from streamer.sources.state import SourceState, SourceStats, StateChange

Transport = Literal["auto", "tcp", "udp"]
Damaged = Literal["show", "drop"]


class LiveSource:
    """Implements ``stages.Source``: ``open`` connects once, ``frames`` yields until :meth:`interrupt` and heals on its own."""

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
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self.stats = SourceStats()
        self.state = SourceState.STARTING
        self.since_s = clock()
        """Monotonic seconds when it came into its state."""
        self.since_utc_s = utc()
        """Seconds since 1970 of the same moment."""
        self.reason = ""
        """Why it is not running, without credentials."""
        self._backoff = Backoff(initial_s=reconnect_initial_delay_s, max_s=reconnect_max_delay_s)

    @property
    def name(self) -> str:
        """The address without credentials."""
        raise SourceUnavailable("not open")

    @property
    def info(self) -> StreamInfo:
        """What ``open`` returned."""
        raise SourceUnavailable("not open")

    def open(self) -> StreamInfo:
        raise SourceUnavailable("not open")

    def frames(self) -> Iterator[Frame]:
        raise SourceUnavailable("not open")

    def interrupt(self) -> None:
        """From any thread: make ``frames`` (or ``open``) end at once."""

    def close(self) -> None:
        """Let go of sockets and threads. May be called twice."""
