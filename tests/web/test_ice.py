"""What browsers are told of servers that help WebRTC."""

from __future__ import annotations

from streamer.web.ice import IceServers


def test_a_password_is_made_as_coturn_checks_it() -> None:
    servers = IceServers(["turn:turn.example"], secret="north", clock=lambda: 1433891415.9)
    # echo -n 1433895015:streamer | openssl dgst -sha1 -hmac north -binary | base64
    assert servers.for_browser() == [
        {"urls": "turn:turn.example", "username": "1433895015:streamer", "credential": "i173pRWF666xy8yxrglZcfl6qDo="}
    ]


def test_this_side_asks_no_relay() -> None:
    assert IceServers(["turn:turn.example", "stun:stun.example"], user="u", password="p").for_server == ["stun:stun.example"]


def test_links_quote_what_a_password_may_hold() -> None:
    servers = IceServers(["stun:stun.example", "turn:turn.example"], user="u", password='a"b\\c')
    assert servers.links() == [
        '<stun:stun.example>; rel="ice-server"',
        r'<turn:turn.example>; rel="ice-server"; username="u"; credential="a\"b\\c"; credential-type="password"',
    ]
