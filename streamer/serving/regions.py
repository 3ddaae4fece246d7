"""Memory that clients on this machine share with the server (the protocol's extension for system shared memory)."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from streamer.kserve.tensors import BadMessage
from streamer.serving.failures import Unknown

_FOLDER = "/dev/shm"  # where Linux keeps shared memory
_MOST = 64
"""Regions that are kept open; beyond them the one that was used longest ago is let go, and its client registers it again."""
_UNUSED_S = 300.0
"""One that was not used for so long is let go when the next one comes: its client may have been killed."""


class Regions:
    """By the names that clients gave them. For any thread.

    They are read, never mapped: a client that shortens its file under a mapping would end the server.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._files: OrderedDict[str, tuple[int, int, int]] = OrderedDict()
        """File, offset and size in bytes, by name; the one used last is at the end."""
        self._used_at: dict[str, float] = {}
        self._clock = clock
        self._lock = threading.Lock()

    def register(self, name: str, key: str, offset: int, size: int) -> None:
        """Open the memory ``key``, ``/NAME``. Raises ``BadMessage`` where there is none, or none of that size."""
        file_name = key.removeprefix("/")
        if not name or not file_name or "/" in file_name or file_name in (".", ".."):
            raise BadMessage("a region needs a name, and a key such as /NAME")
        try:
            # Not blocking: what waits there may be a pipe.
            file = os.open(f"{_FOLDER}/{file_name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            raise BadMessage(f"there is no shared memory {key[:80]!r} that this server may open") from error
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode) or size < 1 or offset < 0 or offset + size > about.st_size:
            os.close(file)
            raise BadMessage(f"the shared memory {key[:80]!r} does not hold {size} bytes from {offset} on")
        with self._lock:
            self._let_go(name)
            now = self._clock()
            unused = [known for known, at in self._used_at.items() if now - at > _UNUSED_S]
            for known in unused or list(self._files)[: max(0, len(self._files) + 1 - _MOST)]:
                self._let_go(known)
            self._files[name] = (file, offset, size)
            self._used_at[name] = now

    def unregister(self, name: str) -> None:
        """Let go of a region, of all where ``name`` is empty; one that is not known is none."""
        with self._lock:
            for known in [name] if name else list(self._files):
                self._let_go(known)

    def read(self, name: str, offset: int, into: NDArray[np.uint8]) -> None:
        """Fill an array from a region. Raises ``Unknown`` for one that is not known, ``BadMessage`` for bytes beyond it."""
        with self._lock:
            if name not in self._files:
                raise Unknown(f"there is no shared memory region {name[:80]!r}; register it again")
            self._files.move_to_end(name)
            self._used_at[name] = self._clock()
            file, start, size = self._files[name]
            if offset + into.nbytes > size:
                raise BadMessage(f"the region {name[:80]!r} ends before the picture")
            file = os.dup(file)  # it may be let go meanwhile
        try:
            got, view = 0, into.reshape(-1).data
            while got < into.nbytes and (more := os.preadv(file, [view[got:]], start + offset + got)):
                got += more
        finally:
            os.close(file)
        if got != into.nbytes:
            raise BadMessage(f"the region {name[:80]!r} was cut off by its client")

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._files)

    def _let_go(self, name: str) -> None:
        """Under the lock."""
        if (known := self._files.pop(name, None)) is not None:
            del self._used_at[name]
            os.close(known[0])

    def close(self) -> None:
        """Let go of all."""
        with suppress(OSError):
            self.unregister("")
