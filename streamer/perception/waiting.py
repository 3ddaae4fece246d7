"""Perception that waits for the shared detector on each frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.selection import Selection
from streamer.stages import Annotated


class BlockingDetector(Protocol):
    """A detector that is waited for."""

    def ask(self, frame: Frame) -> Instances:
        """Leave ``frame`` and wait for its answer; no instances once it is closed. Raises what the detector raised."""
        ...

    def close(self) -> None:
        """Leave. May be called twice."""
        ...


class Waiting:
    """Perception without following: each frame waits for the shared detector, and what comes meanwhile is dropped before it.

    Damaged frames are shown as they are, without asking the detector.
    """

    def __init__(self, client: BlockingDetector, select: Selection) -> None:
        self._client = client
        self._select = select

    def push(self, frame: Frame) -> Iterable[Annotated]:
        found = Instances.empty() if frame.damaged else self._select(self._client.ask(frame))
        return [Annotated(frame, found)]

    def finish(self) -> Iterable[Annotated]:
        return []

    def close(self) -> None:
        self._client.close()
