"""``${VAR}`` in settings, and errors that do not show its value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from streamer.config.document import Document, Location
from streamer.errors import ConfigError
from streamer.redact import redact

_VARIABLE = re.compile(r"\$(?:\$|\{([^{}]*)\})")


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def expand(document: Document, environ: Mapping[str, str]) -> tuple[Document, frozenset[str]]:
    """Replace ``${VAR}`` in all texts by the environment's values (``$$`` is a dollar sign); also return those values.

    Raises ``ConfigError`` with name and line for a variable that is not set.
    """
    used: set[str] = set()

    def value_of(location: Location, found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "$"
        where = document.where(location)
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{where}: ${{{name}}} is no variable", hint="write $$ for a dollar sign")
        if name not in environ:
            raise ConfigError(f"{where}: the environment has no variable {name}", hint=f"set it: export {name}=…")
        used.add(environ[name])
        return environ[name]

    def walk(value: object, location: Location) -> object:
        if isinstance(value, str):
            return _VARIABLE.sub(lambda found: value_of(location, found), value)
        if isinstance(value, dict):
            return {key: walk(item, (*location, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*location, index)) for index, item in enumerate(value)]
        return value

    data = {key: walk(value, (key,)) for key, value in document.data.items()}
    return replace(document, data=data), frozenset(value for value in used if value)


def hidden(text: str, secrets: frozenset[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return redact(text)
