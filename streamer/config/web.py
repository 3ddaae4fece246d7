"""Settings of what is served to browsers."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from streamer.config.delivery import Secret
from streamer.config.fields import Endpoint, FilePath, Names, Settings, Switch, Unset
from streamer.errors import ConfigError

_STUN = re.compile(r"stun:([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?", re.ASCII)


class WebOptions(Settings):
    """The wall of cameras, for browsers."""

    panel: ClassVar[str] = "Web"

    web: Annotated[Endpoint | None, Unset("not served")] = None
    """Show the cameras to browsers there, with /metrics, /healthz and /status; the address is 127.0.0.1 where only a port is
    named. For others than this machine a token is needed: one that is made and told in the log, or ``web_token``."""
    web_token: Annotated[Secret | None, Field(repr=False), Unset("made where one is needed")] = None
    """What browsers have to know; better from the environment, as `${NAME}`."""
    web_view_token: Annotated[Secret | None, Field(repr=False), Unset("none")] = None
    """The same for those who may look only: they change no zones and start no demo."""
    web_read_only: Switch = False
    """Let nobody change anything, whatever token they have: all may look only."""
    web_hosts: Annotated[Names, Unset("none", by_none=False)] = None
    """Further names by which browsers find the server, such as that of a proxy."""
    ice_servers: Annotated[Names, Unset("none: only addresses of this machine are offered", by_none=False)] = None
    """STUN servers that help through a NAT, such as ``stun:stun.example:3478``; they learn who asks."""
    tls_cert: Annotated[FilePath | None, Unset("none")] = None
    """File of the certificate, with those that lead to a trusted one: the server speaks https."""
    tls_key: Annotated[FilePath | None, Unset("none")] = None
    """File of its key."""

    def check_web(self) -> None:
        """Raise ``ConfigError`` for a certificate without its key, a key without a certificate, and what is no ICE server."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("tls_cert and tls_key go together", hint="name both files, or neither")
        for server in self.ice_servers or ():
            if not _STUN.fullmatch(server):
                raise ConfigError(f"ice_servers: {server!r} is no STUN server", hint="for example stun:stun.example:3478")
