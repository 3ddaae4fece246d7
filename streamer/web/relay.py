"""Hands the encoded pictures of a camera to all who watch, and keeps those since the last key frame for who comes next."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

log = logging.getLogger(__name__)

MOST_BYTES = 16 * 2**20
"""A group of pictures that is larger is not kept: who comes then waits for the next key frame."""
MOST_PICTURES = 2000
"""The same, in pictures."""
_RATE_S = 3.0
AWAY_S = 2.0
"""Without a picture for so long a camera is away."""


class Item(Protocol):
    """One encoded picture, in whatever form it is sent."""

    @property
    def data(self) -> bytes: ...
    @property
    def key(self) -> bool: ...


Head = TypeVar("Head", contravariant=True)
Picture = TypeVar("Picture", bound=Item, contravariant=True)


class Watching(Protocol[Head, Picture]):
    """Somebody who watches. Its methods are called in the server's loop, and never wait."""

    def begin(self, head: Head, group: tuple[Picture, ...] = ()) -> None:
        """Another video: what has to be known of it, and what there is of it already, from a key frame on."""
        ...

    def put(self, picture: Picture) -> None:
        """The next picture."""
        ...

    def refuse(self, why: str) -> None:
        """No more pictures come."""
        ...


H = TypeVar("H")
P = TypeVar("P", bound=Item)


class Relay(Generic[H, P]):
    """Pictures come from one thread, which never waits and never fails here; viewers live in the server's loop."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._viewers: dict[Watching[H, P], asyncio.AbstractEventLoop] = {}
        self._head: H | None = None
        self._group: list[P] = []
        self._group_bytes = 0
        self._newest_s = 0.0
        self._recent: deque[tuple[float, int]] = deque()

    @property
    def viewers(self) -> int:
        """How many watch."""
        with self._lock:
            return len(self._viewers)

    @property
    def bits_per_s(self) -> float:
        """What the pictures of the last seconds take."""
        with self._lock:
            passed_s = self._recent[-1][0] - self._recent[0][0] if self._recent else 0.0
            return 8 * sum(size for _, size in self._recent) / passed_s if passed_s else 0.0

    def begin(self, head: H) -> None:
        """Another video begins."""
        with self._lock:
            self._head = head
            self._group, self._group_bytes = [], 0
            self._recent.clear()
            viewers = dict(self._viewers)
        call_all(viewers, lambda viewer: viewer.begin(head))

    def send(self, picture: P, arrived_s: float) -> None:
        """The next picture, which came at ``arrived_s`` (monotonic seconds)."""
        with self._lock:
            self._newest_s = arrived_s
            self._recent.append((arrived_s, len(picture.data)))
            while self._recent[0][0] < arrived_s - _RATE_S:
                self._recent.popleft()
            if picture.key:
                self._group, self._group_bytes = [], 0
            if picture.key or self._group:
                self._group.append(picture)
                self._group_bytes += len(picture.data)
                if self._group_bytes > MOST_BYTES or len(self._group) > MOST_PICTURES:
                    self._group, self._group_bytes = [], 0
            viewers = dict(self._viewers)
        call_all(viewers, lambda viewer: viewer.put(picture))

    def end(self, why: str) -> None:
        """No more pictures come, until another video begins."""
        with self._lock:
            self._head, self._group, self._group_bytes = None, [], 0
            viewers = dict(self._viewers)
        call_all(viewers, lambda viewer: viewer.refuse(why))

    def join(self, viewer: Watching[H, P]) -> None:
        """From the server's loop: begin to watch."""
        with self._lock:
            self._viewers[viewer] = asyncio.get_running_loop()
            head, group = self._head, self._present()
        if head is not None:
            viewer.begin(head, group)

    def again(self, viewer: Watching[H, P]) -> None:
        """From the server's loop: what came since the last key frame once more, for a viewer that has lost something of it."""
        with self._lock:
            head, group = self._head, self._present()
        if head is not None and group:
            viewer.begin(head, group)

    def leave(self, viewer: Watching[H, P]) -> None:
        """From the server's loop: watch no longer."""
        with self._lock:
            self._viewers.pop(viewer, None)

    def _present(self) -> tuple[P, ...]:
        is_away = self._clock() - self._newest_s > AWAY_S  # old pictures would look as if they were of now
        return () if is_away else tuple(self._group)


V = TypeVar("V")


def call_all(viewers: Mapping[V, asyncio.AbstractEventLoop], what: Callable[[V], None]) -> None:
    """Have ``what`` called with each viewer in its loop, which is woken once for all of them."""
    for loop in set(viewers.values()):
        try:
            loop.call_soon_threadsafe(_each, [viewer for viewer, its in viewers.items() if its is loop], what)
        except RuntimeError:  # the server was closed meanwhile
            log.debug("viewers were there no more")


def _each(viewers: Sequence[V], what: Callable[[V], None]) -> None:
    for viewer in viewers:
        what(viewer)
