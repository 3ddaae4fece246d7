"""Settings: from YAML and the command line to checked, frozen objects. The names are those of the command's options."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from streamer.errors import ConfigError
from streamer.redact import redact
from streamer.suggest import did_you_mean, nearest
from streamer.yaml_lines import Document, Location, load_yaml

_CLOCK = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_MOST_COMPLAINTS = 3
_MOST_CHARACTERS = 60

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


class AnnotateConfig(Settings):
    """Everything that ``streamer annotate`` can be told."""

    input: Annotated[Text, Field(repr=False)]  # an address may hold a password
    """Path or URL of the recording or picture."""
    output: FilePath | None = None
    """Path of the annotated recording; None: beside the input, ``-annotated`` added to its name."""
    detector: Text = "people"
    """``people``, ``mask-rcnn``, ``hub:HANDLE``, the path of a SavedModel, or ``package.module:Class``."""
    labels: FilePath | None = None
    """File of class names that replaces the detector's own."""
    threads: Count | None = None
    """Threads of the detector; None: as many as it finds good."""
    score_threshold: Share | None = None
    """Least score, 0..1; None: the detector's own default (0.4 for ``people``)."""
    classes: Annotated[tuple[Text, ...], BeforeValidator(listed), Expected("names, separated by commas")] | None = None
    """Names of the classes to keep; None: all."""
    max_instances: Count | None = None
    """Most instances of a frame, best first; None: all."""
    inference_interval: Annotated[
        Literal["auto"] | Count, BeforeValidator(number), Expected("a whole number, 1 or more, or auto")
    ] = 1
    """Run the detector on every N-th frame and follow the instances in between; 1: on every frame; ``auto``: the more often
    the more the picture changes."""
    track: Switch = False
    """Give instances identities also with an interval of 1; with a longer one they always have them."""
    draw: Drawn | None = None
    """What to draw of each instance; None: the renderer's own choice."""
    mask_opacity: Share | None = None
    """How strongly masks cover the picture, 0..1; None: the renderer's own choice."""
    start: Seconds | None = None
    """Seconds into the recording of the first frame; None: its beginning."""
    end: Seconds | None = None
    """Seconds into the recording before which the last frame lies; None: its end."""
    encoder: Text = "libx264"
    crf: Annotated[float, BeforeValidator(number), Field(ge=0, le=63), Expected("a number 0..63")] | None = None
    """Constant quality of the encoder, lower is better; None: a good one for that encoder."""
    preset: (
        Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value), Expected("a name")] | None
    ) = None
    """How hard the encoder tries, in its own words; None: a good one for that encoder."""
    audio: Annotated[Literal["copy", "none"], Expected("copy or none")] = "copy"
    """Whether the input's audio goes into the output."""
    detections: FilePath | None = None
    """Path of the records, as JSON Lines."""
    masks: Annotated[Literal["rle", "polygon", "none"], Expected("rle, polygon or none")] = "rle"
    """How the records hold masks."""
    coco: FilePath | None = None
    """Path of the results in COCO's format."""
    overwrite: Switch = False
    """Whether files of these names may be replaced."""
    quiet: Switch = False
    """No progress, no summary."""

    @field_validator("end")
    @classmethod
    def _end_after_start(cls, end: float | None, info: ValidationInfo) -> float | None:
        start = info.data.get("start") or 0.0
        if end is not None and end <= start:
            raise Unfit(f"more than start, {start:g} s")
        return end


def load_annotate_config(path: str | os.PathLike[str] | None, overrides: Mapping[str, object]) -> AnnotateConfig:
    """Settings of ``annotate`` from a YAML file (or none) and ``overrides``, which win unless they are None.

    Raises ``ConfigError`` that names file and line or the option, the value and what was expected.
    """
    return build(AnnotateConfig, None if path is None else load_yaml(path), overrides)


S = TypeVar("S", bound=Settings)


def build(model: type[S], document: Document | None, overrides: Mapping[str, object]) -> S:
    """Check a document's values, under ``overrides`` that are not None, and make the settings of them.

    Raises ``ConfigError``: one line with where, key, what was expected and what was found, for up to three mistakes.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    try:
        return model.model_validate({**(document.data if document is not None else {}), **given})
    except ValidationError as error:
        complaints = _complaints(model, error, document, given)
    more = f"; and {len(complaints) - _MOST_COMPLAINTS} more" if len(complaints) > _MOST_COMPLAINTS else ""
    hints = [hint for _, hint in complaints[:_MOST_COMPLAINTS] if hint]
    raise ConfigError("; ".join(text for text, _ in complaints[:_MOST_COMPLAINTS]) + more, hint=hints[0] if hints else "")


def _complaints(
    model: type[Settings], error: ValidationError, document: Document | None, given: Mapping[str, object]
) -> list[tuple[str, str]]:
    """For each value that is wrong, in the order of the model's fields, one text and one hint (perhaps empty)."""
    data = {**(document.data if document is not None else {}), **given}
    found: dict[Location, tuple[str, str]] = {}
    for detail in error.errors(include_url=False):
        path, owner, field = _resolve(model, detail["loc"], data)
        # A union complains once for each of its members; what was expected is said for all of them together.
        if path not in found:
            text, hint = _complaint(detail, path, owner, field)
            in_file = document is not None and not (path and path[0] in given)
            found[path] = f"{document.where(path)}: {text}" if document is not None and in_file else text, hint
    return list(found.values())


def _complaint(detail: ErrorDetails, path: Location, owner: type[BaseModel], field: FieldInfo | None) -> tuple[str, str]:
    key = ".".join(str(part) for part in path)
    if detail["type"] == "extra_forbidden":
        return f"unknown key {key!r}", did_you_mean(str(path[-1]), owner.model_fields)
    cause = detail.get("ctx", {}).get("error")
    annotations = _annotations(field)
    words = next((item.words for item in annotations if isinstance(item, Expected)), detail["msg"])
    if isinstance(cause, Unfit):
        words = str(cause)
    if detail["type"] == "missing":
        return f"{key}: missing, expected {words}", ""
    value = detail["input"]
    choices = [str(choice) for item in annotations if get_origin(item) is Literal for choice in get_args(item)]
    near = nearest(value, choices) if isinstance(value, str) else []
    return f"{key}: expected {words}, got {_shown(value)}", did_you_mean(str(value), near) if near else ""


def _resolve(
    model: type[BaseModel], reported: tuple[int | str, ...], data: object
) -> tuple[Location, type[BaseModel], FieldInfo | None]:
    """The part of a reported location that is in the data (pydantic adds names of union members), its model and its field."""
    path: Location = ()
    owner = model
    field: FieldInfo | None = None
    for part in reported:
        known = owner.model_fields.get(part) if isinstance(part, str) else None
        present = isinstance(data, Mapping | list | tuple) and part in (data if isinstance(data, Mapping) else range(len(data)))
        if known is None and not present:
            break
        path = (*path, part)
        data = data[part] if present else None  # type: ignore[index]  # present says that it can be indexed so
        if known is not None:
            field = known
            inner = [item for item in _annotations(known) if isinstance(item, type) and issubclass(item, BaseModel)]
            owner = inner[0] if inner and path != reported else owner
    return path, owner, field


def _annotations(field: FieldInfo | None) -> list[Any]:
    """A field's type and everything that its type is made of, with what stands beside each part."""
    found: list[Any] = [] if field is None else [*field.metadata, field.annotation]
    for item in found:  # grows while it is read
        if get_origin(item) is not Literal:
            found += get_args(item)
    return found


def _shown(value: object) -> str:
    text = redact(repr(value))
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
