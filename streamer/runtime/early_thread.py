"""A thread that gets ready while it is not known yet what it has to do."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class EarlyThread(threading.Thread):
    """A daemon thread, started at once; it ends after :meth:`hand` or :meth:`discard`, one of which must be called.

    For what a library keeps for each thread, and takes its time to make.
    """

    def __init__(self, name: str, prepare: Callable[[], object]) -> None:
        """``prepare`` is done first, in the thread. Should it raise, the work is done all the same."""
        super().__init__(name=name, daemon=True)
        self._prepare = prepare
        self._work: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        """What the thread does."""
        try:
            self._prepare()
        finally:
            work = self._work.get()
            if work is not None:
                work()

    def hand(self, work: Callable[[], object]) -> None:
        """From any thread: this is what it has to do."""
        self._work.put(work)

    def discard(self) -> None:
        """From any thread: it has nothing to do. Waits for its end."""
        self._work.put(None)
        self.join()
