"""Settings of what is served to browsers."""

from __future__ import annotations

import pytest

from streamer.config.web import WebOptions
from streamer.errors import ConfigError


@pytest.mark.parametrize("server", ["stun:stun.example", "stun:stun.example:3478", "stun:192.0.2.1", "stun:[2001:db8::1]:3478"])
def test_stun_servers_are_known(server: str) -> None:
    WebOptions(ice_servers=(server,)).check_web()


@pytest.mark.parametrize(
    "server", ["stun.example", "https://stun.example", "stun:", "stun:a b", "turn:turn.example", "stun:x:1>"]
)
def test_other_servers_are_refused_by_name(server: str) -> None:
    with pytest.raises(ConfigError, match="ice_servers") as error:
        WebOptions(ice_servers=(server,)).check_web()
    assert server in str(error.value)
