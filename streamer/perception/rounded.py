"""What was found, rounded to what records hold before anything is made of it: so that it can be drawn again."""

from __future__ import annotations

from collections.abc import Iterable

from streamer.frame import Frame
from streamer.render.rounding import rounded
from streamer.stages import Annotated, Perception


class Rounded:
    """Implements ``stages.Perception`` around another one."""

    def __init__(self, perception: Perception) -> None:
        self._perception = perception

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """The frames that are ready."""
        return map(_round, self._perception.push(frame))

    def finish(self) -> Iterable[Annotated]:
        """The frames that were held back."""
        return map(_round, self._perception.finish())

    def close(self) -> None:
        """Close the perception."""
        self._perception.close()


def _round(item: Annotated) -> Annotated:
    item.instances = rounded(item.instances, item.frame.width, item.frame.height)
    return item
