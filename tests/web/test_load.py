"""Viewers who come and vanish, by the thousand: nothing of them stays."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("aiortc")

from streamer.frame import Frame
from streamer.instances import Instances
from streamer.stages import Annotated
from streamer.web.access import Access
from streamer.web.feed import FeedOutput
from streamer.web.server import WebServer
from streamer.web.wall import Wall, wall_app
from tests.tls import Certificate
from tests.waiting import wait_until
from tests.web.sent import packets, sending
from tests.web.test_access import NOTHING
from tests.web.test_encoded_video import INFO
from tests.web.test_whep import offered, watching

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

WEBSOCKET = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[WebServer, Wall]]:
    wall = Wall(["gate"])
    hub = wall.feeds["gate"].hub
    assert hub is not None
    access = Access(host="127.0.0.1")
    with (
        WebServer("0", lambda: wall_app(wall, access, NOTHING, lambda: [{"name": "gate"}])) as server,
        sending(hub, packets(tmp_path)),
    ):
        wait_until(lambda: hub.codec)
        yield server, wall
    wall.close()


def held(server: WebServer) -> tuple[int, int, int]:
    """Threads and files of this process, tasks of the server."""

    async def tasks() -> int:
        return len(asyncio.all_tasks())

    count = asyncio.run_coroutine_threadsafe(tasks(), server._loop).result(30)
    # Those of the pool that the server lets wait for files stay, up to a number of them.
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]
    return len(threads), len(os.listdir("/proc/self/fd")), count  # noqa: PTH208  # a listing of numbers


def given_back(server: WebServer, wall: Wall, before: tuple[int, int, int]) -> Callable[[], bool]:
    return lambda: wall.viewers == 0 and all(now <= then for now, then in zip(held(server), before, strict=True))


def abrupt(server: WebServer, request: bytes, *, reads: int) -> None:
    """Send something, read a little, and be gone without a word: the connection is reset."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.sendall(request)
        if reads:
            connection.recv(reads)


@pytest.mark.parametrize("path", ["video", "pictures", "whep", "whep/nobody", "mjpeg"])
def test_connections_that_are_reset_by_the_thousand_leave_nothing(served: tuple[WebServer, Wall], path: str) -> None:
    server, wall = served
    method = "POST" if path == "whep" else "GET"
    body = "Content-Type: application/sdp\r\nContent-Length: 5000\r\n\r\nv=0" if path == "whep" else f"{WEBSOCKET}\r\n"
    request = f"{method} /api/cameras/gate/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{body}".encode()
    httpx.get(f"{server.url}/api/cameras")
    abrupt(server, request, reads=0)
    wait_until(lambda: wall.viewers == 0)
    before = held(server)
    for number in range(1000):
        abrupt(server, request, reads=0 if path == "whep" or number % 3 else 500)
    wait_until(given_back(server, wall, before), what=lambda: (before, held(server), wall.viewers))


@pytest.mark.parametrize("path", ["video", "mjpeg"])
def test_a_connection_on_which_nothing_is_taken_is_cut(
    served: tuple[WebServer, Wall], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, wall = served
    monkeypatch.setattr("streamer.web.wall.STALLED_S", 1.0)
    monkeypatch.setattr("streamer.web.letting_go.LAST_S", 0.5)
    feed = wall.feeds["gate"]
    httpx.get(f"{server.url}/api/cameras")
    threads, files, tasks = held(server)
    noise = np.random.default_rng(7).integers(0, 255, (720 * 3 // 2, 1280), np.uint8)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(f"GET /api/cameras/gate/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{WEBSOCKET}\r\n".encode())
        wait_until(lambda: wall.viewers)
        output = FeedOutput(feed, replace(INFO, width=1280, height=720), {})
        number = 0

        def is_cut() -> bool:
            nonlocal number
            number += 1
            output.write(picture_of(noise, number))  # as often as this is asked
            return all(now <= then for now, then in zip(held(server), (threads, files + 1, tasks), strict=True))

        wait_until(is_cut, 120, what=lambda: (files, tasks, held(server), wall.viewers))
        assert wall.viewers == 0


def picture_of(planes: NDArray[np.uint8], number: int) -> Annotated:
    picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    pts = 3600 * number
    frame = Frame(picture=picture, index=number, pts=pts, time_base=Fraction(1, 90_000), source="gate", captured_at=number / 25)
    return Annotated(frame, Instances.empty())


def test_sessions_that_are_left_leave_nothing(served: tuple[WebServer, Wall]) -> None:
    server, wall = served

    async def come(*, says_goodbye: bool) -> None:
        async with watching(server.url) as viewer, viewer.http.ws_connect(viewer.url):
            await viewer.picture()
            if says_goodbye:
                await viewer.http.delete(viewer.url)

    async def never_connect() -> str:
        browser, offer = await offered()
        await browser.close()
        return offer

    asyncio.run(come(says_goodbye=True))
    wait_until(lambda: wall.viewers == 0)
    before = held(server)
    for number in range(10):
        asyncio.run(come(says_goodbye=number % 2 == 0))
    offer = asyncio.run(never_connect())
    for _ in range(20):
        path = f"{server.url}/api/cameras/gate/whep"
        answer = httpx.post(path, content=offer, headers={"Content-Type": "application/sdp"}, timeout=30)
        assert answer.status_code == 201
        assert httpx.delete(server.url + answer.headers["Location"]).status_code == 200
    wait_until(given_back(server, wall, before), what=lambda: (before, held(server), wall.viewers))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS and a token"])
def test_idle_connections_and_half_requests_hold_up_nobody_and_end(
    tmp_path: Path, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.web.server._IDLE_S", 3.0)
    wall = Wall(["gate"])
    made = Certificate(tmp_path) if tls else None
    access = Access(host="127.0.0.1", token="operator-token" if tls else None, tls=tls)
    known = ssl.create_default_context(cafile=None if made is None else str(made.file))

    def come() -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        return known.wrap_socket(connection, server_hostname="localhost") if tls else connection

    with (
        WebServer("0", lambda: wall_app(wall, access, NOTHING, list), tls=None if made is None else made.context()) as server,
        httpx.Client(
            base_url=server.url, verify=known, headers={"Authorization": "Bearer operator-token"}, timeout=30
        ) as client,
    ):
        assert client.get("/api/cameras").status_code == 200
        _, files, tasks = held(server)
        idle = [come() for _ in range(200)]
        halves = [come() for _ in range(50)]
        for connection in halves:
            connection.sendall(b"GET /api/cameras HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")
        assert [client.get("/api/cameras").status_code for _ in range(20)] == 20 * [200]
        ends = [*idle, *halves]

        def is_over() -> bool:
            for connection in halves:  # a letter now and then
                with suppress(OSError):
                    connection.sendall(b"a")
            _, now_files, now_tasks = held(server)
            # Those of the ends that are here are files of this process, too.
            return now_files <= files + len(ends) and now_tasks <= tasks

        wait_until(is_over, 60, what=lambda: (files, tasks, held(server)))
        for connection in ends:
            connection.close()
        assert client.get("/api/cameras").status_code == 200
    wall.close()
