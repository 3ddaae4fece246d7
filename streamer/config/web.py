"""Settings of what is served to browsers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from streamer.config.delivery import Secret
from streamer.config.fields import Endpoint, FilePath, Names, Settings, Switch, Text, Unset
from streamer.errors import ConfigError
from streamer.runtime.secret_variable import filled_in

_ICE = re.compile(r"(stun|turns?):(?:[\w.-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?(\?transport=(?:udp|tcp))?", re.ASCII)


_SECRETS = ("web_token", "web_view_token", "turn_secret", "turn_password")


def with_secrets(overrides: Mapping[str, object], environ: Mapping[str, str]) -> dict[str, object]:
    """The options of a command, with ``${VAR}`` in what nobody else may know from ``environ``: who lists the processes sees the
    name only. Raises ``ConfigError`` for a variable that is not set."""
    return {
        key: filled_in(value, environ) if key in _SECRETS and isinstance(value, str) else value
        for key, value in overrides.items()
    }


def ice_kind(url: str) -> str:
    """``stun``, ``turn`` or ``turns``, as the address of a server begins (RFC 7064, RFC 7065); empty for anything else."""
    found = _ICE.fullmatch(url)
    return found[1] if found and not (found[1] == "stun" and found[2]) else ""


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
    """STUN servers that help through a NAT, such as ``stun:stun.example:3478``, and TURN servers that relay where no direct way
    is, such as ``turn:turn.example:3478?transport=udp``; they learn who asks."""
    turn_secret: Annotated[Secret | None, Field(repr=False), Unset("none")] = None
    """What streamer shares with the TURN servers (coturn: ``static-auth-secret``); better from the environment, as `${NAME}`.
    Browsers get names and passwords made of it, for an hour each."""
    turn_user: Annotated[Text | None, Unset("none")] = None
    """User name at TURN servers that share no secret; every browser gets it."""
    turn_password: Annotated[Secret | None, Field(repr=False), Unset("none")] = None
    """Its password; better from the environment, as `${NAME}`. Every browser gets it."""
    tls_cert: Annotated[FilePath | None, Unset("none")] = None
    """File of the certificate, with those that lead to a trusted one: the server speaks https."""
    tls_key: Annotated[FilePath | None, Unset("none")] = None
    """File of its key."""

    def check_web(self) -> None:
        """Raise ``ConfigError`` for a certificate without its key, a key without a certificate, what is no ICE server, and
        a login of one that is not whole."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("tls_cert and tls_key go together", hint="name both files, or neither")
        for server in self.ice_servers or ():
            if "@" in server:  # not quoted: a password may be in it
                raise ConfigError("ice_servers: an address has no user and no password", hint="say turn_user and turn_password")
            if not ice_kind(server):
                raise ConfigError(
                    f"ice_servers: {server!r} is no STUN or TURN server",
                    hint="for example stun:stun.example:3478 or turn:turn.example:3478?transport=udp",
                )
        self._check_turn()

    def _check_turn(self) -> None:
        has_relay = any(ice_kind(server) != "stun" for server in self.ice_servers or ())
        known = [name for name in ("turn_secret", "turn_user", "turn_password") if getattr(self, name) is not None]
        if has_relay and known not in (["turn_secret"], ["turn_user", "turn_password"]):
            raise ConfigError(
                f"ice_servers: a TURN server lets nobody in without a login, and there is {' and '.join(known) or 'none'}",
                hint="say turn_secret (coturn: static-auth-secret), or else turn_user and turn_password",
            )
        if known and not has_relay:
            raise ConfigError(
                f"{known[0]} is there, and no TURN server", hint="name it, such as ice_servers: [turn:turn.example:3478]"
            )
