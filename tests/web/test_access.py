"""Who is let in, from where, and by which names: asked over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.web.access import ATTEMPTS, ATTEMPTS_S, COOKIE, MOST_SESSIONS, Access, Role
from streamer.web.server import WebServer
from streamer.web.service import Service
from streamer.web.wall import Wall, wall_app

NOTHING = Service(lambda _: (b"", "text/plain"), lambda: (200, {}), dict)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def serve() -> Iterator[Callable[..., WebServer]]:
    opened: list[WebServer | Wall] = []

    def make(address: str = "0", **settings: Any) -> WebServer:
        wall = Wall(["gate"])
        host = address.rpartition(":")[0] or "127.0.0.1"
        access = Access(host=host, **settings)
        server = WebServer(address, lambda: wall_app(wall, access, NOTHING, lambda: [{"name": "gate"}]))
        opened.extend((server, wall))
        return server

    yield make
    for each in opened:
        each.close()


def get(server: WebServer, path: str = "/api/cameras", **headers: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", headers={k.replace("_", "-"): v for k, v in headers.items()})


def post(server: WebServer, path: str, data: Mapping[str, str], **headers: str) -> httpx.Response:
    sent = {k.replace("_", "-"): v for k, v in headers.items()}
    return httpx.post(f"http://127.0.0.1:{server.port}{path}", data=dict(data), headers=sent)


def test_this_machine_needs_no_token_and_pages_keep_to_themselves(serve: Callable[..., WebServer]) -> None:
    server = serve()
    for path in ("/", "/api/cameras", "/static/wall.js", "/nothing"):
        answer = get(server, path)
        assert answer.status_code == (404 if path == "/nothing" else 200)
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "aiohttp" not in answer.headers["Server"]


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:1", True),
        ("localhost", True),
        ("LOCALHOST:8080", True),
        ("[::1]:8080", True),
        ("nas.lan", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("192.0.2.1", False),
        ("", False),
        ("[::1", True),
        ("\x01", False),
    ],
)
def test_only_known_names_are_answered(host: str, known: bool) -> None:
    assert Access(host="127.0.0.1", hosts=("nas.lan",)).knows_host(host) is known


def test_who_listens_for_others_is_known_by_any_address_and_by_no_other_name() -> None:
    access = Access(host="0.0.0.0", token="t" * 20)
    assert access.knows_host("192.0.2.1:8080")
    assert access.knows_host("[2001:db8::1]:8080")
    assert not access.knows_host("rebound.example:8080")


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_no_host_header_is_a_failure(host: str) -> None:
    assert Access(host="127.0.0.1").knows_host(host) in (True, False)


def test_a_page_of_another_site_changes_nothing_and_opens_no_socket(serve: Callable[..., WebServer]) -> None:
    server = serve()
    assert post(server, "/logout", {}, Origin="http://evil.example").status_code == 403
    assert post(server, "/logout", {}, Sec_Fetch_Site="cross-site").status_code == 403
    assert post(server, "/logout", {}, Origin=f"http://127.0.0.1:{server.port}").status_code == 200
    opening = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "A" * 22 + "==",
    }
    answer = httpx.get(f"{server.url}/api/cameras/gate/pictures", headers={**opening, "Origin": "http://evil.example"})
    assert answer.status_code == 403


def test_others_need_the_token(serve: Callable[..., WebServer]) -> None:
    server = serve("0.0.0.0:0", token="operator-token", view_token="viewer-token")
    assert get(server).status_code == 401
    assert get(server, "/metrics").status_code == 401
    assert get(server, "/", Accept="text/html").headers["Location"] == "login"
    assert get(server, "/login").status_code == 200
    assert get(server, "/static/style.css").status_code == 200
    assert get(server, Authorization="Bearer operator-token").status_code == 200
    assert get(server, Authorization="Bearer viewer-token").status_code == 200
    assert get(server, Authorization="Basic operator-token").status_code == 401
    assert post(server, "/login", {"token": "wrong"}).status_code == 401
    answer = post(server, "/login", {"token": "viewer-token"})
    assert answer.json() == {"role": "view"}
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "viewer-token" not in cookie
    signed_in = f"{COOKIE}={answer.cookies[COOKIE]}"
    assert get(server, Cookie=signed_in).status_code == 200
    post(server, "/logout", {}, Cookie=signed_in)
    assert get(server, Cookie=signed_in).status_code == 401


@pytest.mark.parametrize("token", [None, "operator-token"])
def test_read_only_holds_for_whoever_comes_with_whatever_token(serve: Callable[..., WebServer], token: str | None) -> None:
    server = serve("127.0.0.1:0", token=token, read_only=True)
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    assert get(server, "/api/session", **bearer).json()["role"] == "view"
    if token:
        answer = post(server, "/login", {"token": token})
        assert answer.json() == {"role": "view"}
        signed_in = f"{COOKIE}={answer.cookies[COOKIE]}"
        assert get(server, "/api/session", Cookie=signed_in).json()["role"] == "view"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=token\r\n\r\nhalf"),
        ("multipart/form-data; boundary=x", b"\x00\xff"),
        ("application/x-www-form-urlencoded; charset=none", b"token=x"),
        ("application/x-www-form-urlencoded", b"token=%ff&token=\xff"),
        ("application/x-www-form-urlencoded; charset=utf-16", b"\xff"),
        ("application/json", b"{"),
    ],
)
def test_what_is_no_form_is_no_failure(serve: Callable[..., WebServer], kind: str, body: bytes) -> None:
    server = serve("0.0.0.0:0", token="operator-token")
    answer = httpx.post(f"http://127.0.0.1:{server.port}/login", content=body, headers={"Content-Type": kind})
    assert answer.status_code in (400, 401)
    bearer = {b"Authorization": b"Bearer \xff\xfe"}
    assert httpx.get(f"http://127.0.0.1:{server.port}/api/cameras", headers=bearer).status_code == 401


def test_tokens_cannot_be_guessed_by_trying(serve: Callable[..., WebServer]) -> None:
    clock = Clock()
    server = serve("0.0.0.0:0", token="operator-token", clock=clock)
    for _ in range(ATTEMPTS):
        assert get(server, Authorization="Bearer guess").status_code in (401, 429)
    assert get(server, Authorization="Bearer operator-token").status_code == 429
    assert post(server, "/login", {"token": "operator-token"}).status_code == 429
    clock.now += ATTEMPTS_S + 1
    assert get(server, Authorization="Bearer operator-token").status_code == 200


def test_whoever_owns_a_network_of_ipv6_has_no_more_attempts() -> None:
    access = Access(host="::", token="operator-token")
    for number in range(ATTEMPTS):
        access.sign_in("guess", f"2001:db8::{number:x}")
    assert access.is_barred("2001:db8::ffff:1")
    assert not access.is_barred("2001:db8:0:1::1")
    for number in range(ATTEMPTS):
        access.sign_in("guess", f"192.0.2.{number}")
        access.sign_in("guess", f"::ffff:192.0.2.{number}")
    assert not any(access.is_barred(other) for other in ("192.0.2.1", "::ffff:192.0.2.1", "fe80::1%eth0", ""))


def test_sessions_end_and_are_bounded() -> None:
    clock = Clock()
    access = Access(host="0.0.0.0", token="operator-token", clock=clock)
    made = [access.sign_in("operator-token", "192.0.2.1") for _ in range(MOST_SESSIONS + 5)]
    assert all(each is not None and each[1] is Role.OPERATE for each in made)
    assert len(access._sessions) == MOST_SESSIONS
    clock.now += 400 * 86_400
    access.sign_in("operator-token", "192.0.2.1")
    assert len(access._sessions) == 1


@pytest.mark.parametrize(
    "path", ["/static/../wall.py", "/static/%2e%2e/wall.py", "/static/..%2fwall.py", "/static/wall.html", "/static//etc/passwd"]
)
def test_no_other_file_can_be_named(serve: Callable[..., WebServer], path: str) -> None:
    server = serve()

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    assert b" 404 " in asyncio.run(ask()).splitlines()[0]


def test_large_bodies_are_refused(serve: Callable[..., WebServer]) -> None:
    assert post(serve(), "/login", {"token": "x" * 200_000}).status_code == 413


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00\xff\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + b"s3cret" * 2000 + b"\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["version", "bytes", "no host", "method", "two hosts", "long header", "two lengths"],
)
def test_what_is_no_http_is_answered_like_all_else_and_fills_no_log(
    serve: Callable[..., WebServer], sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    with caplog.at_level("INFO"):
        head, _, body = asyncio.run(ask()).partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert b"default-src 'none'" in head
    assert b"aiohttp" not in head
    assert body == b"this cannot be read\n"
    assert caplog.records == []


@pytest.mark.slow
def test_half_requests_and_abrupt_ends_leave_nothing_behind(serve: Callable[..., WebServer]) -> None:
    server = serve()

    async def attack() -> None:
        writers: list[asyncio.StreamWriter] = []
        for number in range(200):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write((b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: loc", b"\x00\xff" * 40)[number % 4])
            writers.append(writer)
        answer = await asyncio.to_thread(get, server)
        assert answer.status_code == 200, "others are served meanwhile"
        for number, writer in enumerate(writers):
            writer.transport.abort() if number % 2 else writer.close()

    asyncio.run(attack())
    assert get(server).status_code == 200


def test_a_web_application_needs_its_address(serve: Callable[..., WebServer]) -> None:
    from streamer.errors import ConfigError

    taken = serve()
    with pytest.raises(ConfigError, match=rf"web cannot listen on 127\.0\.0\.1:{taken.port}"):
        WebServer(f"127.0.0.1:{taken.port}", web.Application)
