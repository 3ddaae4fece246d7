"""Waiting for what another thread or process does, where nothing tells the test that it did."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PATIENCE_S = 30.0
"""Longer than anything takes on the slowest machine: reached only by a test that fails."""


def wait_until(happened: Callable[[], object], timeout_s: float = PATIENCE_S, *, what: str | Callable[[], object] = "") -> None:
    """Ask again and again until it ``happened``; fails after ``timeout_s`` seconds, saying ``what`` did not."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what() if callable(what) else what}")
        pause.wait(0.005)
