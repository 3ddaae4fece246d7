"""Telling what a server has sent before from what is new."""

from __future__ import annotations

import zlib
from collections import deque

_REMEMBERED = 20_000
"""Packets: more than the longest lists of segments hold."""


class SeenPackets:
    """Remembers the newest packets of a stream over its connections, by time stamp and content.

    A segment list that stands still (its encoder is gone, the web server goes on) is served from its end again at each new
    connection: the same pictures, which must not count as new ones.
    """

    def __init__(self) -> None:
        self._order: deque[tuple[int | None, int]] = deque()
        self._known: set[tuple[int | None, int]] = set()

    def seen(self, pts: int | None, data: bytes) -> bool:
        """Whether this very packet came before; from now on it did."""
        key = (pts, zlib.crc32(data))
        if key in self._known:
            return True
        self._known.add(key)
        self._order.append(key)
        if len(self._order) > _REMEMBERED:
            self._known.discard(self._order.popleft())
        return False
