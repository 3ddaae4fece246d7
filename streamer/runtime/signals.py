"""Signals: the first Ctrl-C or SIGTERM asks for a clean end, the second for an end; SIGHUP when the terminal has gone."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = 128 + signal.SIGINT

_AGAIN_S = 0.02

_received: list[int] = []
"""Signals of the present run, in their order; one that came twice at once stands here once."""


def raise_interrupt(number: int, _frame: FrameType | None) -> None:
    """The handler while nothing runs yet: end at the next instruction, as for Ctrl-C, and leave nothing half done."""
    _received[:] = [number]
    raise KeyboardInterrupt


def lose_no_interrupt() -> None:
    """Send a signal again whose ``KeyboardInterrupt`` was raised where Python drops exceptions: in a callback of the search for
    garbage, say, or a ``__del__``. Otherwise the run goes on as if nobody had asked for its end."""
    usual = sys.unraisablehook

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt) or not _received:
            usual(lost)
            return
        # Later, from a thread: here it would be raised within the very same callback.
        threading.Timer(_AGAIN_S, os.kill, (os.getpid(), _received[-1])).start()

    sys.unraisablehook = hook


def exit_code(*, complete: bool = True) -> int:
    """What a process answers that a signal has ended.

    0 after one SIGTERM when the outputs are ``complete``: a service manager asked for an end, and got it. Otherwise 128 and
    the signal's number, as shells do: 130 for Ctrl-C; 143 for a SIGTERM by which outputs were lost, such as a second one.
    """
    if complete and _received == [signal.SIGTERM]:
        return 0
    return 128 + _received[-1] if _received else INTERRUPTED


class Interrupts:
    """While entered, the first signal calls ``stop`` and the next ones call ``abandon``, each in a one-shot thread.

    Another within ``settle_s`` seconds is the same one twice: ``timeout`` signals the process and then its whole group, a
    terminal and a supervisor may both pass Ctrl-C on. No person sends two so fast.

    A handler runs between two instructions of the main thread, which may hold any lock: calling ``stop`` from it can
    deadlock. Outside the main thread, where Python allows no handlers, entering changes nothing.
    """

    def __init__(
        self,
        stop: Callable[[], object],
        abandon: Callable[[], object],
        *,
        settle_s: float = 0.2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.count = 0
        """Signals seen so far."""
        self._settle_s = settle_s
        self._clock = clock
        self._first_at = 0.0
        self._stop = stop
        self._abandon = abandon
        self._before: dict[signal.Signals, Any] = {}
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            _received.clear()
            self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for thread in self._threads:
            thread.join()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        now = self._clock()
        if self.count and now - self._first_at < self._settle_s:
            return
        if not self.count:
            self._first_at = now
        self.count += 1
        _received.append(number)
        thread = threading.Thread(target=self._stop if self.count == 1 else self._abandon, name="interrupt", daemon=True)
        self._threads.append(thread)
        thread.start()


class SighupHandler:
    """While entered, SIGHUP says that nothing is reloaded; when it came because the terminal has gone, it ends the run."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._had_terminal = False
        self._before: Any = None
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._had_terminal = os.isatty(2)
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGHUP, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
        for thread in self._threads:
            thread.join()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        # Nothing but a thread: the main thread, which this interrupts, may hold the locks of log and cameras.
        thread = threading.Thread(target=self._answer, name="sighup", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _answer(self) -> None:
        if self._had_terminal and not os.isatty(2):
            self._stop()
        else:
            log.warning("SIGHUP: nothing is reloaded; to change settings end this and start it again")
