"""Addresses to listen on."""

from __future__ import annotations

import pytest

from streamer.errors import ConfigError
from streamer.web.address import is_loopback, parse_endpoint, url_of


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("9090", ("127.0.0.1", 9090)),
        (":9090", ("127.0.0.1", 9090)),
        ("0.0.0.0:9090", ("0.0.0.0", 9090)),  # parsed, not listened on
        ("[::1]:9090", ("::1", 9090)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_addresses(text: str, parsed: tuple[str, int]) -> None:
    assert parse_endpoint(text) == parsed


@pytest.mark.parametrize("text", ["", "a", "1.2.3.4", "1.2.3.4:", "1.2.3.4:x", "99999", "-1", "9090:host"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected PORT or ADDRESS:PORT"):
        parse_endpoint(text)


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("nas", False)],
)
def test_who_reaches_an_address(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


def test_what_a_browser_is_told() -> None:
    assert url_of("::1", 8080) == "http://[::1]:8080"
    assert url_of("nas", 8080, tls=True) == "https://nas:8080"
