"""Perception while there is no detector: every frame goes on as it came."""

from __future__ import annotations

from collections.abc import Iterable

from streamer.frame import Frame
from streamer.instances import Instances
from streamer.stages import Annotated, Cover


class Unasked:
    """Implements ``stages.Perception`` and ``stages.CanSkip``: finds nothing."""

    def __init__(self, cover: Cover | None = None) -> None:
        """``cover`` is what must not be seen of a frame of which nothing is known."""
        self._cover = cover

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """``frame``, without instances."""
        return [self.skip(frame)]

    def skip(self, frame: Frame) -> Annotated:
        """The same."""
        return Annotated(frame, Instances.empty(), cover=self._cover)

    def finish(self) -> Iterable[Annotated]:
        """Nothing: no frame was held back."""
        return []

    def close(self) -> None:
        """Nothing to do."""
