"""The pages under a path of a proxy, which takes its path away before it asks streamer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import httpx
import pytest
from aiohttp import web

from streamer.live.status import CameraStatus
from streamer.stages import State
from streamer.web.access import COOKIE, Access
from streamer.web.event_library import EventCamera
from streamer.web.server import WebServer
from streamer.web.wall import Wall, wall_app
from tests.events.happenings import event
from tests.web.happened import NOTHING, write_events

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PREFIX = "/security/cams"


def proxy_to(target: str) -> web.Application:
    """What serves under ``PREFIX`` what ``target`` serves, WebSockets and ``Host`` included."""

    async def passed(request: web.Request) -> web.StreamResponse:
        rest = request.rel_url.raw_path_qs.removeprefix(PREFIX)
        headers = {key: value for key, value in request.headers.items() if key not in ("Connection", "Upgrade")}
        async with aiohttp.ClientSession(auto_decompress=False) as client:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                headers = {key: value for key, value in headers.items() if not key.startswith("Sec-WebSocket")}
                async with client.ws_connect(target + rest, headers=headers) as far:
                    near = web.WebSocketResponse()
                    await near.prepare(request)
                    pumps = [asyncio.ensure_future(_pump(far, near)), asyncio.ensure_future(_pump(near, far))]
                    try:
                        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        for pump in pumps:
                            pump.cancel()
                return near
            body = await request.read()
            async with client.request(
                request.method, target + rest, headers=headers, data=body, allow_redirects=False
            ) as answer:
                kept = {
                    key: value for key, value in answer.headers.items() if key not in ("Transfer-Encoding", "Content-Length")
                }
                return web.Response(status=answer.status, headers=kept, body=await answer.read())

    app = web.Application()
    app.router.add_route("*", PREFIX + "/{path:.*}", passed)
    return app


async def _pump(source: object, sink: object) -> None:
    async for message in source:  # type: ignore[attr-defined]  # a WebSocket of the client or the server
        if message.type is aiohttp.WSMsgType.TEXT:
            await sink.send_str(message.data)  # type: ignore[attr-defined]  # as above


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[WebServer]:
    status = CameraStatus(name="gate", source="camera", state=State.RUNNING, state_s=1.0, since_utc_s=0.0).as_dict()
    wall = Wall(["gate"])
    wall.feeds["gate"].tell("the camera is away")
    access = Access(host="127.0.0.1", token="the-token")
    events = {"gate": EventCamera(tmp_path)}
    with (
        write_events(tmp_path, 3),
        WebServer("0", lambda: wall_app(wall, access, NOTHING, lambda: [status], events)) as server,
        WebServer("0", lambda: proxy_to(server.url), what="proxy") as proxy,
    ):
        yield proxy
    wall.close()


def test_everything_works_under_the_path_of_a_proxy(browser: Browser, proxy: WebServer) -> None:
    page = browser.new_context().new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    root = proxy.url + PREFIX
    page.goto(f"{root}/events/{event(1).id}")
    page.wait_for_url(f"{root}/login")
    page.get_by_label("Token").fill("the-token")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{root}/")
    page.wait_for_selector("#wall .notice:text('the camera is away')")  # it came by a WebSocket
    page.get_by_role("link", name="Events").click()
    page.wait_for_selector("#events li:nth-child(3)")
    page.locator("#events li a").last.click()
    page.wait_for_url(f"{root}/events/{event(1).id}")
    page.wait_for_selector("#clip:not([hidden]) video")
    page.wait_for_selector("#picture img[src]")
    cookie = page.context.cookies()[0]
    assert (cookie["name"], cookie["path"]) == (COOKIE, PREFIX)
    page.get_by_role("link", name="Cameras").click()
    page.wait_for_url(f"{root}/")
    assert complaints == []
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{root}/login")
    assert page.context.cookies() == []
    assert [url for url in asked if not url.startswith((root, "blob:"))] == []
    page.context.close()


def test_who_has_not_signed_in_is_sent_there_from_anywhere(proxy: WebServer) -> None:
    for path, way in (
        ("/", "login"),
        ("/events", "login"),
        ("/events/x", "../login"),
        ("/api/cameras/a/zones", "../../../login"),
    ):
        answer = httpx.get(proxy.url + PREFIX + path, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["Location"]) == (303, way)
