"""OpenCV's own threads, and why the line does without them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def one_thread_each() -> Iterator[None]:
    """While entered, OpenCV works in the thread that calls it, in the whole process.

    The line has a thread for each stage already, and its pictures are small pieces: waking helpers for each of them costs
    twice the processor time of the work itself (``python -m benchmarks.render`` compares).
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
