"""Settings of what is served to browsers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamer.config.demo import load_demo_config
from streamer.config.live import load_live_config, load_run_config
from streamer.config.web import WebOptions, ice_kind
from streamer.errors import ConfigError
from streamer.web.ice import IceServers


@pytest.mark.parametrize("server", ["stun:stun.example", "stun:stun.example:3478", "stun:192.0.2.1", "stun:[2001:db8::1]:3478"])
def test_stun_servers_are_known(server: str) -> None:
    WebOptions(ice_servers=(server,)).check_web()


@pytest.mark.parametrize(
    "server", ["stun.example", "https://stun.example", "stun:", "stun:a b", "turn:", "stun:x:1>", "turn:x?transport=sctp"]
)
def test_other_servers_are_refused_by_name(server: str) -> None:
    with pytest.raises(ConfigError, match="ice_servers") as error:
        WebOptions(ice_servers=(server,)).check_web()
    assert server in str(error.value)


def test_a_login_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="turn_password") as error:
        WebOptions(ice_servers=("turn:guest:s3cret@turn.example",)).check_web()
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("login", [{"turn_secret": "s"}, {"turn_user": "u", "turn_password": "p"}])
def test_relays_with_a_login_are_known(login: dict[str, Any]) -> None:
    options = WebOptions(ice_servers=("turns:turn.example:443?transport=tcp",), **login)
    options.check_web()
    assert "credential" in IceServers.of(options).for_browser()[0]


@pytest.mark.parametrize(
    "login", [{}, {"turn_user": "u"}, {"turn_password": "p"}, {"turn_secret": "s", "turn_user": "u", "turn_password": "p"}]
)
def test_relays_without_a_whole_login_are_refused(login: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="turn_secret"):
        WebOptions(ice_servers=("turn:turn.example",), **login).check_web()


def test_a_login_without_a_relay_is_refused() -> None:
    with pytest.raises(ConfigError, match="no TURN server"):
        WebOptions(ice_servers=("stun:stun.example",), turn_secret="s").check_web()


def test_what_lets_into_relays_is_not_shown() -> None:
    assert "s3cret" not in repr(WebOptions(turn_secret="s3cret", turn_user="u", turn_password="s3cret too"))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("stun:stun.example", "stun"),
        ("turn:turn.example:3478", "turn"),
        ("turn:192.0.2.1?transport=tcp", "turn"),
        ("turns:[2001:db8::1]:443?transport=tcp", "turns"),
        ("stun:stun.example?transport=udp", ""),
        ("turn:turn.example?transport=sctp", ""),
        ("turn:user:password@turn.example", ""),
        ("turn:turn.example\n", ""),
        ("turn:", ""),
    ],
)
def test_kinds_of_addresses(url: str, kind: str) -> None:
    assert ice_kind(url) == kind


@pytest.mark.parametrize("key", ["web_token", "web_view_token", "turn_secret", "turn_password"])
def test_secrets_of_the_command_line_come_from_the_environment(key: str, tmp_path: Path) -> None:
    cameras = tmp_path / "cameras.yaml"
    cameras.write_text("cameras: {gate: {source: 'test:'}}\n")
    said: dict[str, object] = {key: "${WEB_SECRET}"}
    environ = {"WEB_SECRET": "s3cret"}
    assert getattr(load_run_config(cameras, said, environ), key) == "s3cret"
    assert getattr(load_live_config(None, {"source": "test:", **said}, environ), key) == "s3cret"
    assert getattr(load_demo_config(None, said, environ), key) == "s3cret"
    with pytest.raises(ConfigError, match="no variable WEB_SECRET"):
        load_demo_config(None, said, {})
