"""Threads keep the priority that the process was started with, whatever a library thinks of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def priority_kept() -> Iterator[None]:
    """Give this thread, and those that are started within, the scheduling policy back that this thread has now.

    As root, as in most containers, SVT-AV1 makes the thread that opens it and all of its own real-time ones of the highest
    priority: they, and what is started later, then keep everything else on the machine from running.
    """
    if not hasattr(os, "sched_getscheduler"):  # no Linux
        yield
        return
    policy, priority, before = os.sched_getscheduler(0), os.sched_getparam(0), _threads()
    try:
        yield
    finally:
        for thread in {*_threads() - before, threading.get_native_id()}:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                if os.sched_getscheduler(thread) != policy:
                    os.sched_setscheduler(thread, policy, priority)


def _threads() -> frozenset[int]:
    """All threads of this process, by the system's numbers."""
    try:
        return frozenset(int(thread.name) for thread in Path("/proc/self/task").iterdir())
    except OSError:
        return frozenset()
