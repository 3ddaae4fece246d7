"""Settings of what is served to browsers."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from streamer.config.delivery import Secret
from streamer.config.fields import Endpoint, FilePath, Names, Settings, Switch, Unset
from streamer.errors import ConfigError


class WebOptions(Settings):
    """The wall of cameras, for browsers."""

    panel: ClassVar[str] = "Web"

    web: Annotated[Endpoint | None, Unset("not served")] = None
    """Show the cameras to browsers there, with /metrics, /healthz and /status; the address is 127.0.0.1 where only a port is
    named. For others than this machine a token is needed: one that is made and told in the log, or ``web_token``."""
    web_token: Annotated[Secret | None, Field(repr=False), Unset("made where one is needed")] = None
    """What browsers have to know; better from the environment, as `${NAME}`."""
    web_view_token: Annotated[Secret | None, Field(repr=False), Unset("none")] = None
    """The same for those who may look only: they start no demo."""
    web_read_only: Switch = False
    """Let nobody change anything, whatever token they have: all may look only."""
    web_hosts: Annotated[Names, Unset("none", by_none=False)] = None
    """Further names by which browsers find the server, such as that of a proxy."""
    tls_cert: Annotated[FilePath | None, Unset("none")] = None
    """File of the certificate, with those that lead to a trusted one: the server speaks https."""
    tls_key: Annotated[FilePath | None, Unset("none")] = None
    """File of its key."""

    def check_tls(self) -> None:
        """Raise ``ConfigError`` for a certificate without its key, or a key without a certificate."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("tls_cert and tls_key go together", hint="name both files, or neither")
