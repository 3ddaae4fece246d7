"""A bounded queue between two threads that either end can close."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Overflow(StrEnum):
    """What a full channel does with the next item."""

    WAIT = "wait"
    """The sender waits for room: nothing is lost (recordings)."""
    DROP_OLDEST = "drop_oldest"
    """The oldest item makes room: the receiver stays fresh (live)."""


class Closed(Exception):
    """The other end has gone: on ``send`` the receiver abandoned, on ``receive`` nothing will come any more."""


class Channel(Generic[T]):
    """Bounded queue of ``capacity`` items between one sending and one receiving thread.

    The sender ends it with :meth:`finish` (what is queued is still delivered), the receiver with :meth:`abandon` (what is
    queued is discarded and a waiting sender wakes up), so neither side can wait for ever for a partner that has gone.
    ``on_drop`` is called, in the sender's thread, with each item that overflow or abandonment discards.

    Never call any method from a signal handler: it runs between two instructions of a thread that may hold the lock.
    """

    def __init__(
        self,
        capacity: int,
        overflow: Overflow = Overflow.WAIT,
        on_drop: Callable[[T], None] | None = None,
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
        self._items: deque[T] = deque()
        self._finished = False
        self._abandoned = False
        lock = threading.Lock()
        self._not_empty = threading.Condition(lock)
        self._not_full = threading.Condition(lock)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def closed(self) -> bool:
        """Whether either end has closed."""
        return self._finished or self._abandoned

    def send(self, item: T) -> None:
        """Queue ``item``; under ``wait``, block until there is room. Raises :class:`Closed` once either end closed."""
        victim: T | None = None
        dropping = False
        with self._not_full:
            while (
                self.overflow is Overflow.WAIT
                and len(self._items) >= self.capacity
                and not self._abandoned
                and not self._finished
            ):
                self._not_full.wait()
            if self._abandoned or self._finished:
                raise Closed
            if len(self._items) >= self.capacity:
                victim = self._items.popleft()
                dropping = True
                self.dropped += 1
            self._items.append(item)
            self.peak = max(self.peak, len(self._items))
            self._not_empty.notify()
        if dropping and self._on_drop is not None:
            self._on_drop(victim)  # type: ignore[arg-type]  # dropping says that victim is a T, which may itself be None

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
            item = self._items.popleft()
            self._not_full.notify()
            return item

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
            left = list(self._items)
            self._items.clear()
            self._not_empty.notify_all()
            self._not_full.notify_all()
        return left
