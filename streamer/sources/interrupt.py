"""Ending a call into FFmpeg from another thread, at once instead of at its timeout."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import av.container.core

_LEAP_S = 1e9


class _Clock:
    """Stands in for the module ``time`` in PyAV's container code, and runs ahead in threads that shall come back.

    FFmpeg asks thousands of times a second for each camera: so as long as no thread is interrupted, ``monotonic`` is that of
    ``time`` itself.
    """

    def __init__(self) -> None:
        self.monotonic: Callable[[], float] = time.monotonic
        self._interrupted: set[int] = set()
        self._leaps = 0

    def interrupt(self, thread: int) -> None:
        """Run ahead in ``thread``."""
        self._interrupted.add(thread)
        self.monotonic = self._leaping

    def restore(self, thread: int) -> None:
        """Run as always in ``thread``."""
        self._interrupted.discard(thread)
        if not self._interrupted:
            self.monotonic = time.monotonic

    def _leaping(self) -> float:
        now = time.monotonic()
        if threading.get_ident() in self._interrupted:
            # Further with each call: a call that starts late measures its timeout from here.
            self._leaps += 1
            now += self._leaps * _LEAP_S
        return now


_clock = _Clock()
_lock = threading.Lock()


def _install() -> bool:
    """Put the clock in place; False where this PyAV looks at the time in another way."""
    if getattr(av.container.core, "time", None) is time:
        av.container.core.time = _clock  # type: ignore[attr-defined]  # not part of its public names
    return getattr(av.container.core, "time", None) is _clock


class Interruption:
    """Ends what FFmpeg does in one thread: ``with interruption.here(): av.open(url, timeout=…)``.

    FFmpeg asks a callback about ten times a second whether to go on, and PyAV answers by comparing ``time.monotonic()`` with
    the timeout given to ``av.open``. :meth:`set` makes that clock run ahead in this one thread, so that the call raises as if
    its timeout were over. (PyAV offers no way to do so; closing its container from another thread crashes, and the socket's
    number is not to be had.) Where PyAV should change, the call ends by its timeout, which therefore has to be given.
    """

    def __init__(self) -> None:
        self._thread: int | None = None
        self._set = False

    @property
    def is_set(self) -> bool:
        return self._set

    @contextmanager
    def here(self) -> Iterator[None]:
        """Inside, calls of this thread can be interrupted."""
        with _lock:
            _install()
            self._thread = threading.get_ident()
            if self._set:
                _clock.interrupt(self._thread)
        try:
            yield
        finally:
            with _lock:
                # The number of an ended thread is given to a new one.
                _clock.restore(self._thread)
                self._thread = None

    def set(self) -> None:
        """From any thread: end the present call and all later ones."""
        with _lock:
            self._set = True
            if self._thread is not None:
                _clock.interrupt(self._thread)
