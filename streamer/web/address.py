"""Addresses to listen on."""

from __future__ import annotations

import ipaddress
import socket

from streamer.errors import ConfigError


def parse_endpoint(text: str, what: str = "metrics") -> tuple[str, int]:
    """``9090``, ``0.0.0.0:9090`` or ``[::1]:9090`` as host and port; this machine alone when only a port is given.

    ``what`` begins a complaint. Raises ``ConfigError``. Port 0 lets the system choose.
    """
    host, _, port = text.strip().rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"{what} address {text!r}: expected PORT or ADDRESS:PORT", hint="for example 9090 or 0.0.0.0:9090")
    return host.strip("[]") or "127.0.0.1", int(port)


def check_endpoint(text: str, what: str = "metrics") -> None:
    """Raise ``ConfigError`` for an address that is none of this machine; whether its port is free shows when it is used."""
    host, port = parse_endpoint(text, what)
    try:
        family, kind, _, _, target = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind) as trial:
            trial.bind(target)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"{what} cannot listen on {host}:{port}: {reason or error}", hint="choose an address of this machine"
        ) from error


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches what listens on ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url_of(host: str, port: int, *, tls: bool = False) -> str:
    """What a browser is told: ``http://[::1]:8080``."""
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"
