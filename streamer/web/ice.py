"""Servers that help WebRTC through a NAT (STUN) and past a firewall (TURN), and what lets browsers in there."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self, TypedDict

from streamer.config.web import WebOptions, ice_kind

GRANTED_S = 3600
"""For how long a browser gets into a relay with what a page was told. A relay that it has then stays."""


class IceServer(TypedDict, total=False):
    """One server as browsers are told of it (``RTCIceServer``)."""

    urls: str
    username: str
    credential: str


@dataclass(frozen=True)
class IceServers:
    """The servers that are named in the settings.

    The relays (TURN) are for browsers only: where one side goes through a relay the other need not, and each relay takes
    time to ask for and a port of its server.
    """

    urls: Sequence[str] = ()
    secret: str | None = field(default=None, repr=False)
    """What this server shares with the relays, for names that end after ``GRANTED_S``; None: ``user`` and ``password``."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    clock: Callable[[], float] = time.time
    """Seconds since 1970, as the relays' clocks have it."""

    @classmethod
    def of(cls, options: WebOptions) -> Self:
        """Those of the settings."""
        return cls(options.ice_servers or (), options.turn_secret, options.turn_user, options.turn_password)

    @property
    def for_server(self) -> list[str]:
        """Those that this side asks for its own address."""
        return [url for url in self.urls if ice_kind(url) == "stun"]

    def for_browser(self) -> list[IceServer]:
        """All of them, with what lets a browser in."""
        name, password = self._granted()
        return [
            IceServer(urls=url) if ice_kind(url) == "stun" else IceServer(urls=url, username=name, credential=password)
            for url in self.urls
        ]

    def links(self) -> list[str]:
        """The same as ``Link`` headers (RFC 9725, 4.6)."""
        return ["; ".join([f'<{server["urls"]}>; rel="ice-server"', *_login(server)]) for server in self.for_browser()]

    def _granted(self) -> tuple[str, str]:
        """A name and its password, as coturn's ``use-auth-secret`` has it (draft-uberti-behave-turn-rest, 2.2)."""
        if self.secret is None:
            return self.user or "", self.password or ""
        name = f"{int(self.clock()) + GRANTED_S}:streamer"
        digest = hmac.new(self.secret.encode(), name.encode(), hashlib.sha1).digest()
        return name, base64.b64encode(digest).decode()


def _login(server: IceServer) -> list[str]:
    if "username" not in server:
        return []
    quoted = [re.sub(r'(["\\])', r"\\\1", server[key]) for key in ("username", "credential")]
    return [f'username="{quoted[0]}"', f'credential="{quoted[1]}"', 'credential-type="password"']
