"""``${VAR}`` in settings, and errors that do not show its value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import quote

from streamer.config.document import Document, Location
from streamer.errors import ConfigError
from streamer.redact import HIDDEN, pattern_of, redact, remember, remember_secret

_VARIABLE = re.compile(r"\$(?:\$|\{([^{}]*)\})")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<authority>(?:\$\{[^{}]*\}|[^/?#])*)(?P<rest>.*)", re.DOTALL)
# RFC 3986, section 3.2.1: what user and password may hold as it is. RTMP servers get it undecoded, so no more is encoded.
_USERINFO_SAFE = "!$&'()*+,;="


def expand(document: Document, environ: Mapping[str, str]) -> tuple[Document, frozenset[str]]:
    """Replace ``${VAR}`` in all texts by the environment's values (``$$`` is a dollar sign); also return those values.

    In the user and password of an address a value is percent-encoded, so it may hold any character. Secrets of addresses are
    remembered (:func:`streamer.redact.remember`). Raises ``ConfigError`` with name and line for a variable that is not set.
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
            raise ConfigError(
                f"{where}: the environment has no variable {name}", hint=f"export {name} before you start streamer"
            )
        used.add(environ[name])
        return environ[name]

    def walk(value: object, location: Location) -> object:
        if isinstance(value, str):
            return _expanded(value, lambda found: value_of(location, found))
        if isinstance(value, dict):
            return {key: walk(item, (*location, key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [walk(item, (*location, index)) for index, item in enumerate(value)]
        return value

    data = {key: walk(value, (key,)) for key, value in document.data.items()}
    return replace(document, data=data), frozenset(value for value in used if value)


def _expanded(text: str, value_of: Callable[[re.Match[str]], str]) -> str:
    address = _ADDRESS.fullmatch(text)
    if address is None:
        text = _VARIABLE.sub(value_of, text)
        remember(text)
        return text
    userinfo, at, host = address["authority"].rpartition("@")
    # What is written stands as it is written; it is the variables that know nothing of addresses.
    alone = ":" not in _VARIABLE.sub("", userinfo)

    def encoded(found: re.Match[str]) -> str:
        value = value_of(found)
        if found[1] is None:
            return value
        remember_secret(value)
        return quote(value, safe=_USERINFO_SAFE + ":" * (alone and value.count(":") == 1), errors="surrogateescape")

    def remembered(found: re.Match[str]) -> str:
        value = value_of(found)
        if found[1] is not None:
            remember_secret(value)
        return value

    text = address["scheme"] + _VARIABLE.sub(encoded, userinfo) + at
    text += _VARIABLE.sub(value_of, host) + _VARIABLE.sub(remembered, address["rest"])
    remember(text)
    return text


def hidden(text: str, secrets: frozenset[str]) -> str:
    """``text`` without the values of ``secrets``, and redacted."""
    pattern = pattern_of(secrets)
    return redact(text if pattern is None else pattern.sub(HIDDEN, text))
