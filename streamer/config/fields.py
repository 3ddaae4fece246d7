"""Types of settings: what a good value is, in words, and how text becomes one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_CLOCK = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d*)?|\.\d+)", re.ASCII)


DRAWABLE = ("masks", "outlines", "boxes", "labels")
"""What can be drawn of an instance."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Beside a field's type: what a good value is, in words for the message about a bad one."""

    words: str


class Unfit(ValueError):
    """Raised by a validator that knows better than the field's ``Expected`` what it wants: its text are those words."""


def parse_time(value: object) -> float:
    """Seconds from a number, ``SS.mmm``, ``MM:SS.mmm`` or ``HH:MM:SS.mmm``. Raises ``ValueError``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("no time")  # noqa: TRY004  # pydantic reports a ValueError and lets a TypeError through
    if isinstance(value, str):
        match = _CLOCK.fullmatch(value.strip())
        if match is None:
            raise ValueError("no time")
        hours, minutes, seconds = match.groups()
        if minutes is not None and float(seconds) >= 60:
            raise ValueError("60 seconds or more after a colon")
        value = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)
    if not math.isfinite(value) or value < 0:
        raise ValueError("no time")
    return float(value)


def listed(value: object) -> object:
    """``a, b`` as ``[a, b]``; ``none`` and the empty text as no items."""
    if isinstance(value, str):
        return [] if value.strip() == "none" else [part.strip() for part in value.split(",") if part.strip()]
    return value


def number(value: object) -> object:
    """Refuse yes and no where a number is meant; Python takes them for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("no number")  # noqa: TRY004  # as in parse_time
    return value


Seconds = Annotated[float, BeforeValidator(parse_time), Expected("seconds, MM:SS or HH:MM:SS.mmm, 0 or more")]


Share = Annotated[float, BeforeValidator(number), Field(ge=0, le=1, allow_inf_nan=False), Expected("a number 0..1")]


Count = Annotated[int, BeforeValidator(number), Field(ge=1), Expected("a whole number, 1 or more")]


FilePath = Annotated[Path, Expected("a path")]


Text = Annotated[str, Field(min_length=1), Expected("a text")]


Switch = Annotated[bool, Expected("true or false")]


Drawn = Annotated[
    frozenset[Literal["masks", "outlines", "boxes", "labels"]],
    BeforeValidator(listed),
    Expected(f"{', '.join(DRAWABLE)}, separated by commas, or none"),
]


class Settings(BaseModel):
    """Base of all settings: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
