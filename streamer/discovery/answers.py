"""What came back to a probe, read with suspicion: anybody on the network may answer, and with anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

_DISCOVERY = "{http://schemas.xmlsoap.org/ws/2005/04/discovery}"
_NAME = "onvif://www.onvif.org/name/"
_HARDWARE = "onvif://www.onvif.org/hardware/"
_LONGEST = 64


@dataclass(frozen=True)
class Answer:
    """A device that answered a probe."""

    host: str
    """The IPv4 address that the answer came from: the only one that is asked further, whatever the answer says."""
    service: str
    """Address of its device service."""
    name: str
    """What it calls itself; empty where it does not say. Printable, one line, at most 64 characters."""
    model: str
    """Its hardware, in the same form."""


def read_answer(datagram: bytes, host: str) -> list[Answer]:
    """The video devices in one datagram from ``host``.

    Raises ``ValueError`` for what is no answer: XML that is damaged, or that declares entities, or is another message.
    """
    from defusedxml.ElementTree import fromstring

    try:
        root: Any = fromstring(datagram, forbid_dtd=True)
    except Exception as error:
        # ParseError, three kinds of DefusedXmlException, LookupError and ValueError for an unknown encoding.
        raise ValueError(plain(str(error)) or type(error).__name__) from error
    matches = list(root.iter(f"{_DISCOVERY}ProbeMatch"))
    if not matches:
        raise ValueError("it is no answer to a probe")
    return list(_devices(matches, host))


def _devices(matches: list[Any], host: str) -> Iterator[Answer]:
    for match in matches:
        scopes = (match.findtext(f"{_DISCOVERY}Scopes") or "").split()
        types = match.findtext(f"{_DISCOVERY}Types") or ""
        if "NetworkVideoTransmitter" not in types and not any(scope.startswith("onvif://") for scope in scopes):
            continue  # a printer, say
        addresses = (match.findtext(f"{_DISCOVERY}XAddrs") or "").split()
        # It may have others, of IPv6 or of a network that cannot be reached from here.
        addresses.sort(key=lambda address: f"//{host}" not in address)
        services = [service for address in addresses if (service := at_host(address, host, ("http", "https")))]
        if services:
            yield Answer(host, services[0], _said(scopes, _NAME), _said(scopes, _HARDWARE))


def _said(scopes: list[str], prefix: str) -> str:
    return next((plain(unquote(scope.removeprefix(prefix))) for scope in scopes if scope.startswith(prefix)), "")


def plain(text: str) -> str:
    """``text`` of a stranger as one short line: without what moves a cursor, turns the writing round or breaks a line."""
    words = "".join(letter if letter.isprintable() else " " for letter in text).split()
    return " ".join(words)[:_LONGEST]


def at_host(address: str, host: str, schemes: tuple[str, ...]) -> str | None:
    """``address`` with ``host`` in place of its own host and without user and password; None where it is no such address.

    A device that names another host would have a password sent there. Where it has several, or stands behind a router, the
    one that it answered from is also the one that can be reached.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in schemes or not parts.hostname or not re.fullmatch(r"[!-~]+", address):
        return None
    return parts._replace(netloc=host if port is None else f"{host}:{port}").geturl()
