"""The address of a model on a server: ``kserve://HOST:PORT/MODEL``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from streamer.errors import ConfigError
from streamer.redact import redact, remember, split_userinfo
from streamer.runtime.secret_variable import filled_in
from streamer.suggest import did_you_mean

SCHEMES: Mapping[str, tuple[str, bool]] = {
    "kserve": ("grpc", False),
    "kserves": ("grpc", True),
    "kserve+http": ("http", False),
    "kserve+https": ("http", True),
}
"""Scheme to protocol, and whether it has TLS."""
PORTS = {"grpc": 8001, "http": 8000}
"""The ports that servers of the protocol usually have."""
FORM = "kserve://HOST:PORT/MODEL"
PICTURES = ("auto", "raw", "jpeg", "shared")
"""How pictures travel: as they are, as JPEG, or in memory that client and server share; ``auto`` chooses."""
MOST_TIMEOUT_S = 3600.0

_AUTHORITY = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?)(?::(?P<port>\d{1,5}))?"
)
_TOKEN = re.compile("[ -~]+")
"""What a header may hold."""
_OPTIONS = ("images", "quality", "timeout", "patience", "version", "ca", "cert", "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAddress:
    """Where a model is, and how it is asked."""

    protocol: str
    """``grpc`` or ``http``."""
    tls: bool
    host: str
    """Without the brackets of IPv6."""
    port: int
    model: str
    token: str | None = field(default=None, repr=False)
    """What the server wants to know of its clients."""
    version: str = ""
    """Of the model; empty: the server's choice."""
    images: str = "auto"
    quality: int = 90
    """Of JPEG, 1..100."""
    timeout_s: float = 10.0
    """What an answer may take."""
    patience_s: float = 60.0
    """For how long a recording waits for a server that is away."""
    ca: Path | None = None
    """File of the certificates that are trusted; None: the system's."""
    own_certificate: tuple[Path, Path] | None = None
    """Files of the certificate that this client shows, and of its key."""

    @property
    def server(self) -> str:
        """``HOST:PORT``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Whether the server runs on this machine for certain."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        """For people, without the token."""
        return f"{self.model} at {self.server}"


def is_remote(spec: str) -> bool:
    """Whether ``spec`` names a model on a server."""
    return spec.partition("://")[0].lower() in SCHEMES and "://" in spec


def parse(spec: str) -> RemoteAddress:
    """``kserve://[TOKEN@]HOST[:PORT]/MODEL[?OPTION=VALUE&…]``. Raises ``ConfigError``, without the token.

    The token may be ``${NAME}``, a variable of the environment. It is remembered, so that nothing shows it.
    """
    remember(spec)
    scheme, userinfo, rest = split_userinfo(spec)
    protocol, tls = SCHEMES[scheme[:-3].lower()]
    where, _, query = rest.partition("?")
    authority, _, model = where.partition("/")
    found = _AUTHORITY.fullmatch(authority)
    model = unquote(model)
    if (
        found is None
        or not _is_host(found["host"])
        or not model
        or "/" in model
        or int(found["port"] or 1) not in range(1, 65536)
    ):
        raise ConfigError(f"the detector {redact(spec)} is no address of a model", hint=f"expected {FORM}")
    if userinfo is not None and userinfo.password is not None:
        raise ConfigError(
            f"the detector {redact(spec)} has a user and a password",
            hint="servers take a token alone, before the @",
        )
    token = filled_in(unquote(userinfo.user)) if userinfo is not None and userinfo.user else None
    if token is not None and not _TOKEN.fullmatch(token):
        raise ConfigError(
            f"the detector {redact(spec)} has a token that cannot be sent",
            hint="it may hold letters, digits and signs of ASCII",
        )
    options = _options(spec, query)
    return RemoteAddress(
        protocol=protocol,
        tls=tls,
        host=found["host"].strip("[]"),
        port=int(found["port"] or PORTS[protocol]),
        model=model,
        token=token,
        version=options.get("version", ""),
        images=_one_of(spec, options.get("images", "auto")),
        quality=int(_number(spec, "quality", options.get("quality", "90"), 1, 100)),
        timeout_s=_number(spec, "timeout", options.get("timeout", "10"), 0.01, MOST_TIMEOUT_S),
        patience_s=_number(spec, "patience", options.get("patience", "60"), 0.0, MOST_TIMEOUT_S),
        ca=_file(spec, options.get("ca")),
        own_certificate=_own_certificate(spec, tls, options.get("cert"), options.get("key")),
    )


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).version == 6
    except ValueError:
        return False


def _options(spec: str, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS:
            raise ConfigError(f"the detector {redact(spec)}: there is no option {name!r}", hint=did_you_mean(name, _OPTIONS))
    return options


def _one_of(spec: str, value: str) -> str:
    if value not in PICTURES:
        raise ConfigError(f"the detector {redact(spec)}: images={value}", hint=f"take {', '.join(PICTURES)}")
    return value


def _number(spec: str, name: str, text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise ConfigError(f"the detector {redact(spec)}: {name}={text}", hint=f"take a number within {least:g}..{most:g}")
    return value


def _file(spec: str, name: str | None) -> Path | None:
    if name is None:
        return None
    if not Path(name).is_file():
        raise ConfigError(f"the detector {redact(spec)}: there is no file {name}", hint="ca is a file of certificates (PEM)")
    import ssl

    try:
        ssl.create_default_context(cafile=name)
    except OSError as error:  # SSLError is one
        text = f"the detector {redact(spec)}: there are no certificates to read in {name}"
        raise ConfigError(text, hint="ca is a file of certificates (PEM)") from error
    return Path(name)


def _own_certificate(spec: str, tls: bool, certificate: str | None, key: str | None) -> tuple[Path, Path] | None:
    if certificate is None and key is None:
        return None
    if not tls or certificate is None or key is None:
        text = f"the detector {redact(spec)}: cert and key go together, and with TLS"
        raise ConfigError(text, hint="kserves://HOST:PORT/MODEL?cert=FILE&key=FILE")
    import ssl

    try:
        # Without a password, it would be asked for at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password="")
    except OSError as error:  # SSLError is one
        raise ConfigError(
            f"the detector {redact(spec)}: {certificate} and {key} are no certificate and its key",
            hint="both are PEM files; the key must be that of the certificate, and without a password",
        ) from error
    return Path(certificate), Path(key)
