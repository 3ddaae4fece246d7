"""What somebody who tries the demo has chosen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from streamer.render.renderer import DRAWABLE

Treatment = Literal["none", "blur", "pixelate", "fill"]
TREATMENTS: tuple[Treatment, ...] = get_args(Treatment)
"""What becomes of all that is no person."""
_MOST_CLASSES = 200


class BadChoice(ValueError):
    """What was sent is no choice; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is looked for, and how it is shown."""

    detector: str
    """Name of one of the detectors that are offered."""
    classes: tuple[str, ...] | None = None
    """Names of the classes to show; None: those that the detector shows by itself."""
    draw: frozenset[str] = frozenset({"masks", "outlines", "labels"})
    """Any of ``masks``, ``outlines``, ``boxes``, ``labels``."""
    background: Treatment = "none"
    """What becomes of all that is no person."""

    def changed(self, said: Mapping[str, Any], detectors: Collection[str]) -> Choice:
        """This choice with what a page said of it, JSON of the fields' names. Raises ``BadChoice``."""
        detector = said.get("detector", self.detector)
        if detector not in detectors:
            raise BadChoice(f"detector: expected one of {', '.join(detectors)}")
        classes = said.get("classes", self.classes)
        if classes is not None:
            if not _is_texts(classes) or len(classes) > _MOST_CLASSES:
                raise BadChoice("classes: expected a list of names, or null")
            classes = tuple(classes)
        draw = said.get("draw", self.draw)
        if not isinstance(draw, frozenset):
            if not _is_texts(draw) or not set(draw) <= set(DRAWABLE):
                raise BadChoice(f"draw: expected any of {', '.join(DRAWABLE)}")
            draw = frozenset(draw)
        background = said.get("background", self.background)
        if background not in TREATMENTS:
            raise BadChoice(f"background: expected one of {', '.join(TREATMENTS)}")
        return Choice(detector, classes, draw, background)


def _is_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
