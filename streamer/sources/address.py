"""What SOURCE means: a camera, a device, a network stream, a recording or the test scene."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, urlsplit

from streamer.errors import ConfigError
from streamer.redact import redact, remember, split_userinfo
from streamer.suggest import did_you_mean

NETWORK_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "udp", "rtp", "tcp")
"""Schemes of network streams."""

DEVICE_FORMATS = ("v4l2", "x11grab", "lavfi", "fbdev", "kmsgrab", "avfoundation", "dshow", "gdigrab")
"""FFmpeg's input devices that may stand before a colon: ``x11grab::0``."""

_INDEX = re.compile(r"(?P<index>\d{1,3})(?P<query>\?.*)?")
_ENDS_AUTHORITY = re.compile(r"[/?#]")
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")


class Kind(StrEnum):
    """What a source is by its address."""

    CAMERA = "camera"
    """A capture device with a sensor."""
    DEVICE = "device"
    """A screen or another FFmpeg device."""
    GENERATOR = "generator"
    """FFmpeg's filter graphs (``lavfi``): pictures as fast as they are asked for."""
    NETWORK = "network"
    FILE = "file"
    TEST = "test"
    """The synthetic scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A SOURCE argument, understood. ``repr`` shows no credentials."""

    kind: Kind
    name: str
    """For people: the address without credentials."""
    url: str = field(repr=False)
    """What FFmpeg opens; may hold credentials."""
    format: str | None = None
    """FFmpeg's input format, or None to let it guess."""
    options: Mapping[str, str] = field(default_factory=dict)
    """FFmpeg's options that the address itself carries."""

    @property
    def scheme(self) -> str:
        """The URL's scheme in lower case; empty where there is none."""
        found = _SCHEME.match(self.url)
        return found["scheme"].lower() if found else ""

    @property
    def live(self) -> bool | None:
        """Whether frames come at the world's pace; None where only opening can tell (``http``: a recording or a stream)."""
        if self.kind is Kind.FILE:
            return False
        return None if self.scheme in {"http", "https"} else True


def parse_address(text: str, *, platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> Address:
    """Understand a SOURCE argument; nothing is opened.

    ``0`` and ``/dev/video0`` are cameras (options behind a question mark: ``0?video_size=1280x720&framerate=30``),
    ``x11grab::0.0`` or ``x11grab:`` a screen, ``lavfi:GRAPH`` a filter graph, ``test:`` the synthetic scene, addresses with a
    known scheme network streams, all else a file. Raises ``ConfigError`` for an unknown scheme, a missing host or a device
    that this platform numbers otherwise.
    """
    text = text.strip()
    if not text:
        raise ConfigError("the source is empty", hint="give a file, a camera (0), an address (rtsp://…) or test:")
    if found := _INDEX.fullmatch(text):
        return _camera(int(found["index"]), found["query"] or "", text, platform)
    if text == "test:" or text.startswith("test:"):
        return Address(kind=Kind.TEST, name=text, url=text)
    if found := _SCHEME.match(text):
        return _network(text, found["scheme"].lower())
    prefix, colon, rest = text.partition(":")
    if colon and prefix in DEVICE_FORMATS:
        return _device(prefix, rest, text, environment)
    if text.startswith("/dev/video"):
        path, options = _split_options(text, text)
        return Address(kind=Kind.CAMERA, name=path, url=path, format="v4l2", options=options)
    return Address(kind=Kind.FILE, name=redact(text), url=text)


def _camera(index: int, query: str, text: str, platform: str) -> Address:
    _, options = _split_options(query, text)
    name = f"camera {index}"
    if platform.startswith("linux"):
        return Address(kind=Kind.CAMERA, name=name, url=f"/dev/video{index}", format="v4l2", options=options)
    if platform == "darwin":
        options = {"framerate": "30", **options}
        return Address(kind=Kind.CAMERA, name=name, url=f"{index}:none", format="avfoundation", options=options)
    raise ConfigError(
        f"cameras have no numbers on this system ({platform}), got {text!r}",
        hint="give the device's name: dshow:video=NAME",
    )


def _device(prefix: str, rest: str, text: str, environment: Mapping[str, str]) -> Address:
    if prefix == "lavfi":
        if not rest:
            raise ConfigError("lavfi: holds no filter graph", hint="give one: lavfi:testsrc2=size=640x360:rate=30")
        # A filter graph may hold question marks of its own: no options are split off.
        return Address(kind=Kind.GENERATOR, name=redact(text), url=rest, format=prefix)
    rest, options = _split_options(rest, text)
    if prefix == "x11grab":
        rest = rest or environment.get("DISPLAY", "")
        if not rest:
            raise ConfigError("x11grab: names no display, and DISPLAY is not set", hint="give one: x11grab::0.0")
    if not rest:
        raise ConfigError(f"{prefix}: names no device", hint=f"give one: {prefix}:NAME")
    kind = Kind.CAMERA if prefix in {"v4l2", "avfoundation", "dshow"} else Kind.DEVICE
    return Address(kind=kind, name=redact(f"{prefix}:{rest}"), url=rest, format=prefix, options=options)


def _network(text: str, scheme: str) -> Address:
    if scheme == "file":
        return Address(kind=Kind.FILE, name=text.removeprefix("file://"), url=text.removeprefix("file://"))
    remember(text)
    if scheme not in NETWORK_SCHEMES:
        raise ConfigError(f"unknown scheme {scheme}:// in {redact(text)}", hint=did_you_mean(scheme, NETWORK_SCHEMES))
    _, userinfo, rest = split_userinfo(text)
    if userinfo is not None and _ENDS_AUTHORITY.search(f"{userinfo.user}{userinfo.password}"):
        raise ConfigError(
            f"user or password in {redact(text)} hold a character that ends them",
            hint="percent-encode it: / is %2F, ? is %3F, # is %23, @ is %40; or name an environment variable: ${PASSWORD}",
        )
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        # What does not parse is not repeated: it may be a password that lacks its host.
        raise ConfigError(
            f"cannot understand host and port of the {scheme}:// address", hint=f"write {scheme}://USER:PASSWORD@HOST:PORT/PATH"
        ) from None
    if not host and not (scheme in {"udp", "rtp"} and port is not None):
        raise ConfigError(f"no host in {redact(text)}", hint=f"write {scheme}://HOST:PORT/PATH")
    return Address(kind=Kind.NETWORK, name=redact(text), url=text)


def _split_options(text: str, whole: str) -> tuple[str, dict[str, str]]:
    rest, _, query = text.partition("?")
    try:
        return rest, dict(parse_qsl(query, strict_parsing=True)) if query else {}
    except ValueError:
        raise ConfigError(
            f"cannot understand the options in {redact(whole)!r}", hint="write them as ?video_size=1280x720&framerate=30"
        ) from None
