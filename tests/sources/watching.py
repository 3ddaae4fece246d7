"""A taker of frames in a thread of its own, for tests that do things to the source meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamer.frame import Frame
from streamer.sources.live import LiveSource
from streamer.sources.state import StateChange
from tests.waiting import PATIENCE_S, wait_until


class Watcher:
    """Takes what a source gives and lets tests wait for it."""

    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.frames: list[Frame] = []
        self.error: BaseException | None = None
        self._news = threading.Condition()
        self.thread = threading.Thread(target=self._take, name="watcher")

    def _take(self) -> None:
        try:
            for frame in self.source.frames():
                with self._news:
                    self.frames.append(frame)
                    self._news.notify_all()
        except Exception as error:  # noqa: BLE001  # the test looks at it
            self.error = error
        finally:
            with self._news:
                self._news.notify_all()

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Wait until ``happened``."""
        wait_until(happened, what=lambda: f"state {self.source.state} ({self.source.reason}), {self.source.stats}")

    def wait_for_frames(self, number: int) -> list[Frame]:
        """Wait for so many more frames than there are now, and return them."""
        begin = len(self.frames)
        with self._news:
            assert self._news.wait_for(lambda: len(self.frames) >= begin + number or self.error is not None, PATIENCE_S)
        return self.frames[begin:]


@contextmanager
def watched(source: LiveSource) -> Iterator[Watcher]:
    """Open ``source``, take its frames in a thread, and close it in the end."""
    source.open()
    watcher = Watcher(source)
    watcher.thread.start()
    try:
        yield watcher
    finally:
        source.interrupt()
        watcher.thread.join(PATIENCE_S)
        source.close()
        assert not watcher.thread.is_alive()


class States:
    """Remembers the changes of state that it is called with."""

    def __init__(self) -> None:
        self.changes: list[StateChange] = []

    def __call__(self, change: StateChange) -> None:
        self.changes.append(change)

    @property
    def names(self) -> list[str]:
        return [change.state.value for change in self.changes]
