"""Nowhere: for runs of which only the figures matter."""

from __future__ import annotations

from streamer.stages import Annotated


class Null:
    """A sink that takes every frame and keeps none."""

    name = "null"

    def __init__(self) -> None:
        self.frames = 0
        """How many it took."""

    def write(self, item: Annotated) -> None:  # noqa: ARG002  # the protocol's argument: looking at it is what it does not do
        """Take the next frame."""
        self.frames += 1

    def finish(self) -> None:
        """Nothing to complete."""

    def abandon(self) -> None:
        """Nothing to give up."""
