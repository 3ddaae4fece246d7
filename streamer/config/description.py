"""What there is to say of each setting, read from its field: for the help of commands, the JSON schema and the documents."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import get_annotations
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from streamer.config.fields import DRAWABLE, Expected, Option, Settings, Unset


@dataclass(frozen=True, slots=True)
class Description:
    """One setting, for people."""

    name: str
    """As in a file; the option is written with dashes."""
    panel: str
    """Heading that it belongs under."""
    text: str
    """What it does; Markdown's single backticks mark what is typed."""
    values: str
    """What stands for its value, such as ``SECONDS``; empty for a switch."""
    choices: str
    """Its values, where they are few words: ``rle, polygon or none``; or empty."""
    default: str
    """What holds when nothing is said, in words; empty where a value is required."""
    short: str
    """Short flag, or empty."""
    flag: str
    """Long flag, where that is not the name; or empty."""
    required: bool
    argument: bool
    """Whether it is the command's argument and no option."""
    file_only: bool
    """Whether no command has such an option."""
    switch: bool
    """Whether it is on or off."""
    repeated: bool
    """Whether the option may be given several times."""

    @property
    def option(self) -> str:
        """``--max-fps``."""
        return self.flag or f"--{self.name.replace('_', '-')}"

    @property
    def negation(self) -> str:
        """``--no-show``."""
        return f"--no-{self.name.replace('_', '-')}"


def descriptions(model: type[Settings]) -> Iterator[Description]:
    """Each field of ``model`` that holds a value; those that hold settings are left out, unless they have an ``Option``."""
    texts = texts_of(model)
    for name, field in model.model_fields.items():
        parts = list(parts_of(field))
        expected = next((part for part in parts if isinstance(part, Expected)), None)
        choices = [str(choice) for part in parts if get_origin(part) is Literal for choice in get_args(part)]
        option = next((part for part in parts if isinstance(part, Option)), None)
        if option is None and any(isinstance(part, type) and issubclass(part, Settings) for part in parts):
            continue
        option = option or Option()
        yield Description(
            name=name,
            panel=_panel(model, name),
            text=" ".join(texts.get(name, "").replace("``", "`").split()),
            values=option.metavar or (expected.metavar if expected is not None else "CHOICE"),
            choices="" if expected is not None else any_of(choices),
            default="" if field.is_required() else default_words(field),
            short=option.short,
            flag=option.flag,
            required=field.is_required(),
            argument=option.argument,
            file_only=option.file_only,
            switch=bool in parts,
            repeated=option.repeated,
        )


def texts_of(model: type[Settings]) -> dict[str, str]:
    """The text under each field of ``model`` in its source; no texts where the source is not there."""
    texts: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, Settings):
            texts |= _texts_in(cls.__module__).get(cls.__qualname__, {})
    return texts


@cache
def _texts_in(module: str) -> Mapping[str, Mapping[str, str]]:
    """The texts under the fields of each class at the top of a module."""
    try:
        source = inspect.getsource(sys.modules[module])
    except OSError:
        return {}
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return {node.name: dict(_texts_under(node.body)) for node in classes}


def _texts_under(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, under in pairwise(body):
        match field, under:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


def default_words(field: FieldInfo) -> str:
    """What holds when nothing is said."""
    unset = next((part for part in field.metadata if isinstance(part, Unset)), None)
    return unset.words if unset is not None else written(field.default)


def any_of(choices: Sequence[str]) -> str:
    """``rle, polygon or none``."""
    return " or ".join([part for part in (", ".join(choices[:-1]), *choices[-1:]) if part])


def written(value: object) -> str:
    """A value as it stands in a file."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Collection) and not isinstance(value, str):
        items = [str(item) for item in value]
        order = {item: place for place, item in enumerate(DRAWABLE)}
        return ",".join(sorted(items, key=lambda item: order.get(item, len(order)))) or "none"
    return str(value)


def parts_of(field: FieldInfo | None) -> list[Any]:
    """A field's type and everything that its type is made of, with what stands beside each part."""
    found: list[Any] = [] if field is None else [*field.metadata, field.annotation]
    for item in found:  # grows while it is read
        if get_origin(item) is not Literal:
            found += get_args(item)
    return found


def _panel(model: type[Settings], name: str) -> str:
    """The panel of the class that declares a field."""
    return str(next((getattr(cls, "panel", "") for cls in model.__mro__ if name in get_annotations(cls)), ""))
