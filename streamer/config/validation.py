"""From a document and the command line to settings, or to one line that says what is wrong and where."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from streamer.analysis.places import InvalidPlace
from streamer.config.description import any_of, parts_of
from streamer.config.document import Document, Location
from streamer.config.environment import expand, hidden
from streamer.config.fields import Expected, InvalidValue, Settings
from streamer.errors import ConfigError
from streamer.redact import redact, remember_secret
from streamer.suggest import did_you_mean, nearest

_PLAIN_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_MOST_COMPLAINTS = 3
_MOST_CHARACTERS = 60


S = TypeVar("S", bound=Settings)


def load(model: type[S], path: str | os.PathLike[str] | None, overrides: Mapping[str, object], environ: Mapping[str, str]) -> S:
    """The settings of a YAML file, or of none, with ``${VAR}`` from ``environ``, under ``overrides`` that are not None.

    Raises ``ConfigError`` as :func:`build` does; values from the environment are not shown.
    """
    if path is None:
        return build(model, None, overrides)
    from streamer.config.yaml_file import load_yaml

    document, secrets = expand(load_yaml(path), environ)
    try:
        return build(model, document, overrides)
    except ConfigError:
        pass
    # Complain once more, knowing what to hide: long values are cut in a complaint, and their beginning must not stay. Outside
    # of the handler, so that the error's context does not show it either.
    for secret in secrets:
        remember_secret(secret)
    try:
        return build(model, document, overrides)
    except ConfigError as error:
        complaint = error
    raise ConfigError(hidden(complaint.message, secrets), hint=hidden(complaint.hint, secrets))


def build(model: type[S], document: Document | None, overrides: Mapping[str, object]) -> S:
    """Check a document's values, under ``overrides`` that are not None, and make the settings of them.

    Raises ``ConfigError``: one line with where, key, what was expected and what was found, for up to three mistakes.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    if document is not None:
        document = replace(document, data={key: _without_none(value) for key, value in document.data.items()})
    try:
        made = model.model_validate({**(document.data if document is not None else {}), **given})
        return made.read_from(document, given)
    except ValidationError as error:
        complaints = _complaints(model, error, document, given)
    raise joined(complaints)


def joined(complaints: Sequence[tuple[str, str]]) -> ConfigError:
    """One error for several complaints, each a text and a hint (perhaps empty): the first three, and the first hint."""
    more = f"; and {len(complaints) - _MOST_COMPLAINTS} more" if len(complaints) > _MOST_COMPLAINTS else ""
    hints = [hint for _, hint in complaints[:_MOST_COMPLAINTS] if hint]
    return ConfigError("; ".join(text for text, _ in complaints[:_MOST_COMPLAINTS]) + more, hint=hints[0] if hints else "")


class _Nothing:
    """Stands for an empty value of a document, which is a mistake everywhere; None stands for what is left out."""

    def __repr__(self) -> str:
        return "nothing"


def _without_none(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return _Nothing() if value is None else value


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
    if isinstance(cause, InvalidPlace):
        return f"{key}: {cause}", cause.hint
    parts = parts_of(field)
    choices = [str(choice) for item in parts if get_origin(item) is Literal for choice in get_args(item)]
    words = next((item.words for item in parts if isinstance(item, Expected)), any_of(choices) or detail["msg"])
    if isinstance(cause, InvalidValue):
        words = str(cause)
    if detail["type"] in ("model_type", "dict_type") and not path[1:]:
        words = "keys and values"
    if detail["type"] == "missing":
        return f"{key}: missing, expected {words}", ""
    value = detail["input"]
    if isinstance(value, _Nothing):
        return f"{key}: expected {words}, got nothing", "write a value, or leave the line out"
    if isinstance(value, bool) and str in parts:
        return f"{key}: expected {words}, got {_shown(value)}", "yes, no, on and off are a text in quotes only"
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
            inner = [item for item in parts_of(known) if isinstance(item, type) and issubclass(item, BaseModel)]
            owner = inner[0] if inner and path != reported else owner
    return path, owner, field


def _shown(value: object) -> str:
    # A number from the command line is a text, too: quotes would tell of what its author did not write.
    text = redact(value if isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value) else repr(value))
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
