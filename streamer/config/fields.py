"""Types of settings: what a good value is, in words and as a JSON schema, and how text becomes one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, PrivateAttr, model_validator
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from streamer.config.document import Document, Location
from streamer.detectors.device import PATTERN, SEVERAL_PATTERN

_CLOCK = r"(?:(\d+):([0-5]?\d):|(\d+):)([0-5]?\d(?:\.\d*)?|\.\d+)|(\d+(?:\.\d*)?|\.\d+)"
_NUMBER = re.compile(r"\+?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_FILE_ADDRESS = re.compile(r"file://(?:localhost)?(/.*)", re.DOTALL)

DRAWABLE = ("masks", "outlines", "boxes", "labels", "zones")
"""What can be drawn of an instance."""
PANELS = (
    "Source",
    "Output",
    "Detector",
    "Picture",
    "Privacy",
    "Zones",
    "Events",
    "Encoding",
    "Records",
    "Web",
    "Server",
    "Process",
)
"""Headings that settings stand under, in their order; a class of settings names its own as ``panel``."""


@dataclass(frozen=True, slots=True, eq=False)  # annotations are hashed, which schemas cannot be
class Expected:
    """Beside a field's type: what a good value is."""

    words: str
    """For people, in the message about a bad value."""
    metavar: str = ""
    """What stands for a value in the help of a command."""
    schema: tuple[dict[str, Any], ...] = ()
    """The forms of a value, as JSON schemas; empty: what pydantic makes of the type."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        if not self.schema:
            return handler(core_schema)
        forms = [dict(form) for form in self.schema]  # pydantic writes a field's default into what it gets
        return forms[0] if len(forms) == 1 else {"anyOf": forms}


@dataclass(frozen=True, slots=True)
class Unset:
    """Beside a field that may be left out: what holds then, in words."""

    words: str
    by_none: bool = True
    """Whether the text ``none`` leaves it out: a camera of a run says so against the defaults, an option against the file."""


@dataclass(frozen=True, slots=True)
class Option:
    """Beside a field: how a command shows it, where that does not follow from the type."""

    short: str = ""
    """Its short flag, such as ``-o``."""
    flag: str = ""
    """Its long flag, where that is not the field's name."""
    metavar: str = ""
    """What stands for a value, in place of the type's own."""
    argument: bool = False
    """Whether it is the command's argument."""
    repeated: bool = False
    """Whether the option may be given several times."""
    file_only: bool = False
    """Whether no command has such an option."""


class InvalidValue(ValueError):
    """Raised by a validator that knows better than the field's ``Expected`` what it wants: its text are those words."""


class TextForm(NamedTuple):
    """A number as text, which the command line and the environment give."""

    type: str
    pattern: str
    bounds: dict[str, float]

    @property
    def schema(self) -> tuple[dict[str, Any], ...]:
        """As a number and as text."""
        return {"type": self.type, **self.bounds}, text_schema(self.pattern)


def text_schema(pattern: str) -> dict[str, Any]:
    """The JSON schema of a text that matches as a whole, but for spaces around it."""
    digits = pattern.replace(r"\d", "[0-9]")  # \d may stand for the digits of all scripts
    return {"type": "string", "pattern": rf"^\s*(?:{digits})\s*$"}


def any_case(*words: str) -> str:
    """A pattern for any of ``words`` in upper or lower case, without flags, which JSON schemas do not have."""
    return "|".join("".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in word) for word in words)


def parse_time(value: object) -> float:
    """Seconds from a number, ``SS.mmm``, ``MM:SS.mmm`` or ``HH:MM:SS.mmm``. Raises ``ValueError``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("no time")  # noqa: TRY004  # pydantic reports a ValueError and lets a TypeError through
    if isinstance(value, str):
        match = re.fullmatch(_CLOCK, value.strip(), re.ASCII)
        if match is None:
            raise ValueError("no time")
        hours, minutes, all_minutes, seconds, all_seconds = match.groups()
        value = int(hours or 0) * 3600 + int(minutes or all_minutes or 0) * 60 + float(seconds or all_seconds)
    if not 0 <= value <= _MOST:
        raise ValueError("no time")
    return float(value)


_MOST = 1e9
"""What is larger is a mistake: as seconds it is 30 years."""


def number(value: object) -> object:
    """Refuse yes and no where a number is meant, which Python takes for 1 and 0, and text that is no plain number."""
    if isinstance(value, bool):
        raise ValueError("no number")  # noqa: TRY004  # as in parse_time
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise ValueError("no number")
    return value


def number_or_auto(value: object) -> object:
    """The same where ``auto`` is a good value, too."""
    return value if value == "auto" else number(value)


def listed(value: object) -> object:
    """``a, b`` as ``[a, b]``; ``none`` as no items. Raises ``ValueError`` for a text without items."""
    if not isinstance(value, str):
        return value
    items = [part.strip() for part in value.split(",") if part.strip()]
    if not items:
        raise ValueError("empty")
    return [] if items == ["none"] else items


def listed_or_default(value: object) -> object:
    """The same where ``default`` is a good value, too: None."""
    return None if isinstance(value, str) and value.strip() == "default" else listed(value)


def class_methods(value: object) -> object:
    """``person=blur, car`` as ``{"person": "blur", "car": "blur"}``; ``none`` as no classes. Raises ``ValueError``."""
    if not isinstance(value, str):
        return value
    methods: dict[str, str] = {}
    for part in listed(value):  # type: ignore[attr-defined]  # of a text it makes a list
        name, equals, method = (word.strip() for word in part.partition("="))
        if not name or (equals and not method):
            raise ValueError("no class with a method")
        methods[name] = method or "blur"
    return methods


def corners(value: object) -> object:
    """``0.1,0.2 0.5,0.2 0.5,0.9`` as a polygon; several, separated by ``;`` or as a list, as a list of them."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    polygons: list[object] = []
    for item in value:
        polygons += [_polygon(text) for text in item.split(";")] if isinstance(item, str) else [item]
    return polygons


def _polygon(text: str) -> list[list[float]]:
    points = [[float(number) for number in point.split(",")] for point in text.split()]
    if any(len(point) != 2 for point in points):
        raise ValueError("no points")
    return points


def as_text(value: object) -> object:
    """A whole number as text: a camera, a port, a preset."""
    return str(value) if type(value) is int else value


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _endpoint(value: object) -> object:
    value = as_text(value)
    if isinstance(value, str) and not re.fullmatch(rf"\s*(?:{_ENDPOINT})\s*", value, re.ASCII):
        raise ValueError("no endpoint")
    return value


def _device(value: object) -> object:
    return _matching(PATTERN, value)


def _devices(value: object) -> object:
    return _matching(SEVERAL_PATTERN, value)


def _matching(pattern: str, value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(pattern, value.strip(), re.ASCII):
        raise ValueError("no device")
    return value.strip()


def path_of(text: str) -> str:
    """The path that a ``file://`` address stands for; other texts as they are."""
    found = _FILE_ADDRESS.fullmatch(text)
    return text if found is None else found[1]


def _path(value: object) -> object:
    if value == "":
        raise ValueError("empty")
    return path_of(value) if isinstance(value, str) else value


def _address(value: object) -> object:
    # pydantic's own str refuses the surrogates by which Python writes the bytes of a file name that is not UTF-8.
    if not isinstance(value, str) or not value:
        raise ValueError("no text")
    return value


_SWITCH_WORDS = ("true", "false", "yes", "no", "on", "off", "y", "n", "t", "f", "1", "0")
_SHARE = TextForm("number", r"\+?(?:0*\.\d+|0+\.?|0*1(?:\.0*)?|\d(?:\.\d*)?[eE]-0*[1-9]\d*)", {"minimum": 0, "maximum": 1})
_POSITIVE = TextForm(
    "number", r"(?=[^eE]*[1-9])\+?(?:\d+\.?\d*|\.\d+)(?:[eE]\+?\d)?", {"exclusiveMinimum": 0, "maximum": _MOST}
)
_COUNT = TextForm("integer", r"\+?0*[1-9]\d*", {"minimum": 1})
_WHOLE = TextForm("integer", r"\+?\d+", {"minimum": 0})
_CRF = TextForm("number", r"\+?(?:0*(?:[0-5]?\d|6[0-2])(?:\.\d*)?|\.\d+|0*63(?:\.0*)?)", {"minimum": 0, "maximum": 63})
_TIME = TextForm("number", _CLOCK, {"minimum": 0, "maximum": _MOST})
_TIMEOUT = TextForm("number", rf"(?=.*[1-9])(?:{_CLOCK})", {"exclusiveMinimum": 0, "maximum": _MOST})
_PORT = r"0*(?:\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
_ENDPOINT = rf"(?:\S*:)?{_PORT}"
_NAMES: dict[str, Any] = {"type": "array", "items": {"type": "string", "minLength": 1}}
_DRAWN = "|".join(DRAWABLE)
_COVERED = r"[^\s,=](?:[^,=]*[^\s,=])?(?:\s*=\s*(?:blur|pixelate|fill))?"
_UNIT = r"(?:0?\.\d+|0\.?|1(?:\.0*)?)"
_POLYGON = rf"{_UNIT},{_UNIT}(?: {_UNIT},{_UNIT}){{2,}}"
_POLYGONS = rf"{_POLYGON}(?: *; *{_POLYGON})*"
_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}

Seconds = Annotated[
    float, BeforeValidator(parse_time), Expected("seconds, MM:SS or HH:MM:SS.mmm, 0 or more", "TIME", _TIME.schema)
]
Timeout = Annotated[
    float, BeforeValidator(parse_time), Field(gt=0), Expected("seconds, more than 0", "SECONDS", _TIMEOUT.schema)
]
Share = Annotated[
    float,
    BeforeValidator(number),
    Field(ge=0, le=1, allow_inf_nan=False),
    Expected("a number 0..1", "0..1", _SHARE.schema),
]
Positive = Annotated[
    float,
    BeforeValidator(number),
    Field(gt=0, le=_MOST),
    Expected("a number above 0", "NUMBER", _POSITIVE.schema),
]
Count = Annotated[int, BeforeValidator(number), Field(ge=1), Expected("a whole number, 1 or more", "N", _COUNT.schema)]
Attempts = Annotated[int, BeforeValidator(number), Field(ge=0), Expected("a whole number; 0 for ever", "N", _WHOLE.schema)]
Interval = Annotated[
    Literal["auto"] | Count,
    BeforeValidator(number_or_auto),
    Expected("a whole number, 1 or more, or auto", "N|auto", ({"const": "auto"}, *_COUNT.schema)),
]
Quality = Annotated[
    float, BeforeValidator(number), Field(ge=0, le=63, allow_inf_nan=False), Expected("a number 0..63", "0..63", _CRF.schema)
]
DeviceName = Annotated[
    str,
    BeforeValidator(_device),
    Expected("auto, cpu, cuda or cuda:N", "auto|cpu|cuda[:N]", (text_schema(PATTERN),)),
]
DeviceNames = Annotated[
    str,
    BeforeValidator(_devices),
    Expected("auto, cpu, cuda, cuda:N, cuda:N,M or cuda:all", "auto|cpu|cuda[:N,…]", (text_schema(SEVERAL_PATTERN),)),
]
FilePath = Annotated[Path, BeforeValidator(_path), Expected("a path", "FILE", (_TEXT,))]
Text = Annotated[str, Field(min_length=1), Expected("a text", "TEXT", (_TEXT,))]
Address = Annotated[str, PlainValidator(_address), Expected("a text", "TEXT", (_TEXT,))]
"""A path or a URL."""
Name = Annotated[str, BeforeValidator(as_text), Field(min_length=1), Expected("a name", "NAME", (_TEXT, {"type": "integer"}))]
Endpoint = Annotated[
    str,
    BeforeValidator(_endpoint),
    Expected(
        "PORT or ADDRESS:PORT, such as 9090 or 0.0.0.0:9090",
        "[ADDRESS:]PORT",
        ({"type": "integer", "minimum": 0, "maximum": 65535}, text_schema(_ENDPOINT)),
    ),
]
RayAddress = Annotated[
    str | None, Field(min_length=1), Expected("auto, local or HOST:PORT", "ADDRESS", (_TEXT,)), Unset("this machine alone")
]
Switch = Annotated[
    bool,
    BeforeValidator(_stripped),
    Expected("true or false", schema=({"type": "boolean"}, {"enum": [0, 1]}, text_schema(any_case(*_SWITCH_WORDS)))),
]
Names = Annotated[
    tuple[Text, ...] | None,
    BeforeValidator(listed_or_default),
    Expected("names, separated by commas", "NAME,…", (_NAMES, {"type": "string", "pattern": r"[^\s,]"})),
]
Covered = Annotated[
    dict[Text, Literal["blur", "pixelate", "fill"]],
    BeforeValidator(class_methods),
    Expected(
        "classes, each with =blur, =pixelate or =fill, separated by commas, or none",
        "CLASS=METHOD,…",
        (
            {
                "type": "object",
                "propertyNames": {"minLength": 1},
                "additionalProperties": {"enum": ["blur", "pixelate", "fill"]},
            },
            {"type": "string", "pattern": r"[^\s,]"},
        ),
    ),
]
Polygons = Annotated[
    tuple[Annotated[tuple[tuple[Share, Share], ...], Field(min_length=3)], ...],
    BeforeValidator(corners),
    Expected(
        "polygons of three or more points x,y, as shares 0..1 of the picture, such as 0,0 0.5,0 0.5,0.3",
        "X,Y X,Y X,Y",
        (
            text_schema(_POLYGONS),
            {
                "type": "array",
                "items": {
                    "anyOf": [
                        text_schema(_POLYGONS),
                        {
                            "type": "array",
                            "minItems": 3,
                            "items": {
                                "type": "array",
                                "minItems": 2,
                                "maxItems": 2,
                                "items": {"type": "number", "minimum": 0, "maximum": 1},
                            },
                        },
                    ]
                },
            },
        ),
    ),
]
Drawn = Annotated[
    frozenset[Literal["masks", "outlines", "boxes", "labels", "zones"]],
    BeforeValidator(listed),
    Expected(
        f"{', '.join(DRAWABLE)}, separated by commas, or none",
        "PART,…",
        (
            {"type": "array", "items": {"enum": list(DRAWABLE)}},
            text_schema(rf"[\s,]*(?:(?:{_DRAWN})(?:\s*,[\s,]*(?:{_DRAWN}))*|none)[\s,]*"),
        ),
    ),
]


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The file that settings were read from. All origins are equal, so that settings are equal by what they say."""

    document: Document | None = None
    given: frozenset[str] = frozenset()
    """Keys that the command line said instead."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin)

    __hash__ = None  # type: ignore[assignment]  # never a key

    def where(self, *locations: Location) -> str:
        """``cameras.yaml:12: `` for the first of ``locations`` that is in the file, or as near as can be; else nothing."""
        if self.document is None or not locations or locations[0][0] in self.given:
            return ""
        known = [location for location in locations if location in self.document.lines]
        return f"{self.document.where((known or list(locations))[0])}: "


class Settings(BaseModel):
    """Base of all settings: frozen, and unknown keys are refused. The text under a field is its help and its description."""

    # The texts are read by config/description.py: pydantic would look for them in every run, help or not.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """Where they were read from, for complaints."""
        return self._origin

    def read_from(self, document: Document | None, given: Iterable[str]) -> Self:
        """These settings, which remember that they come from ``document``, but for what was ``given`` otherwise."""
        self._origin = Origin(document, frozenset(given))
        return self

    @model_validator(mode="before")
    @classmethod
    def _none_leaves_out(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        fields = cls.model_fields
        return {
            key: None if value == "none" and key in fields and _left_out_by_none(fields[key].metadata) else value
            for key, value in data.items()
        }


def _left_out_by_none(metadata: list[Any]) -> bool:
    return any(isinstance(item, Unset) and item.by_none for item in metadata)
