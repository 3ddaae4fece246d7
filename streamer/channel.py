"""A bounded queue between two threads that either end can close."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Overflow(StrEnum):
    """What a full channel does with the next item."""

    WAIT = "wait"
    """The sender waits for room: nothing is lost (recordings)."""
    DROP_OLDEST = "drop_oldest"
    """The oldest item makes room: the receiver stays fresh (live)."""


_LONGEST_STEP_S = 1.0
"""Items further apart count as far apart as this: while a camera was away, nothing was queued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room(Generic[T]):
    """How much a channel holds, measured by what the items are instead of by their number."""

    seconds: float
    """Most seconds of video."""
    size_bytes: int
    """Most bytes of memory."""
    time_s: Callable[[T], float]
    """When an item is shown, in seconds."""
    bytes_of: Callable[[T], int]
    """How much memory an item holds."""


class Closed(Exception):
    """The other end has gone: on ``send`` the receiver abandoned, on ``receive`` nothing will come any more."""


class Channel(Generic[T]):
    """Bounded queue of ``capacity`` items between one sending and one receiving thread.

    The sender ends it with :meth:`finish` (what is queued is still delivered), the receiver with :meth:`abandon` (what is
    queued is discarded and a waiting sender wakes up), so neither side can wait for ever for a partner that has gone.
    ``on_drop`` is called, in the sender's thread, with each item that overflow discards.

    With a ``room`` the channel is full as well when its items hold more seconds or bytes than that; one item always fits.

    Never call any method from a signal handler: it runs between two instructions of a thread that may hold the lock.
    """

    def __init__(
        self,
        capacity: int,
        overflow: Overflow = Overflow.WAIT,
        on_drop: Callable[[T], None] | None = None,
        *,
        room: Room[T] | None = None,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self.overflow = overflow
        self.dropped = 0
        """Items discarded because the channel was full."""
        self.peak = 0
        """Most items that were ever queued at once."""
        self._on_drop = on_drop
        self._room = room
        self._items: deque[T] = deque()
        self._costs: deque[tuple[float, int]] = deque()
        """Seconds and bytes of each item, where there is a ``room``."""
        self._held_s, self._held_bytes = 0.0, 0
        self._last_s: float | None = None
        self._finished = False
        self._abandoned = False
        lock = threading.Lock()
        self._not_empty = threading.Condition(lock)
        self._not_full = threading.Condition(lock)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def fill(self) -> float:
        """How full it is, 0..1."""
        share = len(self._items) / self.capacity
        if self._room is not None:
            share = max(share, self._held_s / self._room.seconds, self._held_bytes / self._room.size_bytes)
        return min(1.0, share)

    @property
    def closed(self) -> bool:
        """Whether either end has closed."""
        return self._finished or self._abandoned

    def send(self, item: T) -> None:
        """Queue ``item``; under ``wait``, block until there is room. Raises :class:`Closed` once either end closed."""
        discarded: list[T] = []
        with self._not_full:
            cost = self._cost(item)
            while self.overflow is Overflow.WAIT and self._full(cost) and not self._abandoned and not self._finished:
                self._not_full.wait()
            if self._abandoned or self._finished:
                raise Closed
            while self._full(cost):
                discarded.append(self._take())
                self.dropped += 1
            self._items.append(item)
            self._costs.append(cost)
            self._held_s += cost[0]
            self._held_bytes += cost[1]
            self.peak = max(self.peak, len(self._items))
            self._not_empty.notify()
        if self._on_drop is not None:
            for victim in discarded:
                self._on_drop(victim)

    def _cost(self, item: T) -> tuple[float, int]:
        if self._room is None:
            return 0.0, 0
        now_s = self._room.time_s(item)
        step_s = 0.0 if self._last_s is None else min(max(0.0, now_s - self._last_s), _LONGEST_STEP_S)
        self._last_s = now_s
        return step_s, self._room.bytes_of(item)

    def _full(self, cost: tuple[float, int]) -> bool:
        """Whether an item of so many seconds and bytes has to wait for others to go."""
        if not self._items or self._room is None:
            return len(self._items) >= self.capacity
        too_long = self._held_s + cost[0] > self._room.seconds
        return too_long or len(self._items) >= self.capacity or self._held_bytes + cost[1] > self._room.size_bytes

    def _take(self) -> T:
        seconds, size = self._costs.popleft()
        self._held_s -= seconds
        self._held_bytes -= size
        item = self._items.popleft()
        if not self._items:
            self._held_s = 0.0  # what rounding left over
        return item

    def receive(self, timeout_s: float | None = None) -> T:
        """Take the oldest item, waiting for one.

        Raises :class:`Closed` when none will come any more, and ``TimeoutError`` after ``timeout_s`` seconds without one.
        """
        with self._not_empty:
            ready = self._not_empty.wait_for(lambda: self._items or self._finished or self._abandoned, timeout_s)
            if not ready:
                raise TimeoutError
            if self._abandoned or not self._items:
                raise Closed
            item = self._take()
            self._not_full.notify()
            return item

    def clear(self) -> None:
        """Receiver's end: forget what is queued, and go on."""
        with self._not_full:
            while self._items:
                self._take()
            self._not_full.notify()

    def __iter__(self) -> Iterator[T]:
        """Receive until the sender finishes or the receiver abandons."""
        while True:
            try:
                yield self.receive()
            except Closed:
                return

    def finish(self) -> None:
        """Sender's end: nothing more will be sent; what is queued is still delivered."""
        with self._not_empty:
            self._finished = True
            self._not_empty.notify_all()
            self._not_full.notify_all()

    def abandon(self) -> list[T]:
        """Receiver's end: discard what is queued, wake the sender. Returns what was discarded, for the count."""
        with self._not_full:
            self._abandoned = True
            left = [self._take() for _ in range(len(self._items))]
            self._not_empty.notify_all()
            self._not_full.notify_all()
        return left
