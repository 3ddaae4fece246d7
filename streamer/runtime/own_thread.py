"""Work that may take long, in a thread of its own, so that a signal or another thread can end the wait for it."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

_GLANCE_S = 0.1
"""How long a wait goes on at once: the system may hand a signal to any thread, but only the main one runs its handler."""


_left: list[threading.Thread] = []
"""Threads that nobody waits for any longer."""


class CallLeft(Exception):
    """Nobody waits any longer for a piece of work; its thread may still be busy with it."""


class OwnThread:
    """A daemon thread that does one piece of work after the other, and starts with the first.

    Python cannot end a call into a library, such as one of a model that takes half a minute. :meth:`leave` ends the waiting
    for it instead: the call goes on by itself, and its result is not used.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._open: set[Future[Any]] = set()
        """Pieces of work that are not done."""
        self._lock = threading.Lock()
        self._left = False
        self._thread: threading.Thread | None = None

    def begin(self, work: Callable[[], T]) -> Future[T]:
        """Do ``work`` after what was begun before. Its future fails with ``CallLeft`` once the thread was left."""
        future: Future[T] = Future()
        with self._lock:
            if self._left:
                future.set_exception(CallLeft())
                return future
            self._open.add(future)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._work.put((future, work))
        return future

    def call(self, work: Callable[[], T], while_waiting: Callable[[float], object] = lambda _: None) -> T:
        """What ``work`` returns or raises, or ``CallLeft``.

        ``while_waiting`` is called in this thread about ten times a second, with the seconds so far.
        """
        future = self.begin(work)
        begun = time.monotonic()
        while True:
            try:
                return future.result(_GLANCE_S)
            except TimeoutError:
                if future.done():
                    return future.result()  # or what the work has raised
                while_waiting(time.monotonic() - begun)

    def leave(self, last: Callable[[], object] | None = None) -> None:
        """From any thread: all waiting ends with ``CallLeft``. Once the call under way returns, ``last`` is done."""
        with self._lock:
            if self._left:
                return
            self._left = True
            unfinished, self._open = self._open, set()
        for future in unfinished:
            with suppress(InvalidStateError):  # it was done at this moment
                future.set_exception(CallLeft())
            if self._thread is not None:
                leave_behind(self._thread)
        if last is not None:
            self._work.put((Future(), last))
        self._work.put(None)

    def close(self) -> None:
        """End the thread once its work is done, and wait for that; one that was left is not waited for."""
        with self._lock:
            thread, left, self._left = self._thread, self._left, True
        if not left:
            self._work.put(None)
            if thread is not None:
                thread.join()

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            future, work = item
            if future.done():
                continue
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001  # it belongs to the one who waits
                with suppress(InvalidStateError):  # nobody does any more
                    future.set_exception(error)
            else:
                with suppress(InvalidStateError):
                    future.set_result(result)
            with self._lock:
                self._open.discard(future)
            # An idle thread must not keep alive what the last piece of work was about.
            del item, future, work


def apart(work: Callable[[], T], name: str, while_waiting: Callable[[float], object] = lambda _: None) -> T:
    """What ``work`` returns or raises, done in another thread: Ctrl-C in this one ends the wait, not the work."""
    thread = OwnThread(name)
    try:
        result = thread.call(work, while_waiting)
    except BaseException:
        thread.leave()
        raise
    thread.close()
    return result


def leave_behind(thread: threading.Thread) -> None:
    """``thread`` may never end, and is not waited for: :func:`end_process` has to know."""
    _left.append(thread)


def end_process(code: int) -> None:
    """End at once if a thread was left at its work: Python's own end would tear down what the thread still uses."""
    if not any(thread.is_alive() for thread in _left):
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed, or its reader has gone
            stream.flush()
    os._exit(code)
