"""The wall: all cameras of a run on a page, each with its picture, its state and its objects."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from aiohttp import WSMsgType, web

from streamer.web.access import Access, guard
from streamer.web.event_library import EventCamera, EventLibrary
from streamer.web.event_pages import add_events
from streamer.web.feed import Feed, Shown, Viewer
from streamer.web.footage import FootageCamera, FootageLibrary
from streamer.web.footage_pages import add_footage
from streamer.web.ice import IceServers
from streamer.web.letting_go import letting_go
from streamer.web.line import Sizes
from streamer.web.packets import VideoViewer
from streamer.web.pages import Pages, add_static
from streamer.web.service import Service, add_service, answer, failures
from streamer.web.sign_in import add_sign_in
from streamer.web.whep import NOT_INSTALLED, add_whep, is_installed, prepare
from streamer.web.zone_pages import Places, add_zones

log = logging.getLogger(__name__)

STALLED_S = 10.0
"""A viewer that takes no picture for so long is sent away."""
MOST_VIEWERS = 100
"""Pictures are sent to so many at once; more are asked to come back."""
USUAL_CODEC = "avc1.640028"
"""What is encoded here, as browsers name it, before the first picture is."""
_SNAPSHOT_S = 10.0
_BODY_BYTES = 64 * 1024


class Wall:
    """The feeds of all cameras; those that are only recorded have none."""

    def __init__(self, names: Sequence[str], covered: Collection[str] = ()) -> None:
        """``covered`` are those of which something must not be seen: their packets stay in the process."""
        self.feeds = {name: Feed(name, packets=name not in covered) for name in names}

    def close(self) -> None:
        """End all feeds."""
        for feed in self.feeds.values():
            feed.close()

    @property
    def viewers(self) -> int:
        """How many watch."""
        return sum(feed.watched for feed in self.feeds.values())


def wall_app(
    wall: Wall,
    access: Access,
    service: Service,
    cameras: Callable[[], Sequence[Mapping[str, Any]]],
    events: Mapping[str, EventCamera] = MappingProxyType({}),
    ice: IceServers | None = None,
    places: Places | None = None,
    footage: Mapping[str, FootageCamera] = MappingProxyType({}),
) -> web.Application:
    """The application: pages, pictures, and the three paths of ``service``. ``cameras`` are what is told of each, ``events``
    those that make events; ``ice`` helps WebRTC through a NAT; ``places`` are the zones and lines, where these can be
    drawn; ``footage`` says where recordings are."""
    ice = ice or IceServers()
    app = web.Application(client_max_size=_BODY_BYTES)
    guard(app, access)
    app.middlewares.append(failures)
    pages = Pages()
    add_static(app, pages)
    add_service(app, service)
    add_sign_in(app, access, pages)
    _add_pictures(app, wall, ice)
    add_events(app, pages, EventLibrary(events))
    add_footage(app, pages, FootageLibrary(footage))
    if places is not None:
        add_zones(app, pages, places)

    preparing: asyncio.Future[None] | None = None

    async def page(request: web.Request) -> web.Response:
        nonlocal preparing
        preparing = preparing or asyncio.ensure_future(prepare())  # somebody looks, and soon asks for pictures
        return pages.file(request, "wall.html")

    async def state(_: web.Request) -> web.Response:
        found = await asyncio.to_thread(cameras)
        told = [{**camera, **_shown_by(wall.feeds.get(camera["name"]))} for camera in found]
        return answer({"cameras": told, "ice_servers": ice.for_browser(), "signed_in": access.token is not None})

    app.router.add_get("/", page)
    app.router.add_get("/api/cameras", state)
    return app


def _shown_by(feed: Feed | None) -> dict[str, object]:
    """How a page can show a camera: the codec of its video, whether it is ``encoded`` here and why, and why there is none."""
    if feed is None:
        return {"has_pictures": False}
    video, why = feed.video, feed.why_encoded
    is_encoded = video is feed.encoded.hub
    why_not = video.why_not if video.is_refused or not is_encoded else ""
    return {
        "has_pictures": True,
        "video": video.codec or (USUAL_CODEC if is_encoded and not why_not else ""),
        "encoded": why,
        "why_not": why_not,
        "why_not_webrtc": ("" if is_installed() else NOT_INSTALLED) or ("" if is_encoded else video.why_not_webrtc),
    }


def _add_pictures(app: web.Application, wall: Wall, ice: IceServers) -> None:
    def feed_of(request: web.Request) -> Feed:
        feed = wall.feeds.get(request.match_info["camera"])
        if feed is None:
            raise web.HTTPNotFound(text="there is no such camera, or it is only recorded\n")
        return feed

    def room() -> None:
        if wall.viewers >= MOST_VIEWERS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_VIEWERS} viewers are there already\n", headers={"Retry-After": "10"})

    async def pictures(request: web.Request) -> web.StreamResponse:
        """Each picture as JSON (what is in it) and then its JPEG; the next one after the viewer has said anything."""
        feed = feed_of(request)
        room()
        socket = _socket()
        await socket.prepare(request)

        async def send(viewer: Viewer) -> bool:
            await _send(socket, viewer)
            async with asyncio.timeout(STALLED_S):
                said = await socket.receive()
            return said.type is WSMsgType.TEXT

        with letting_go(request):
            await _watch(feed, send, drawn=False)
            if not socket.closed:
                await socket.close(code=4000, message=b"too slow")
        return socket

    async def video(request: web.Request) -> web.StreamResponse:
        """The camera's video as fragments of MP4, and JSON with what is in each picture; see ``packets.Fragment``."""
        feed = feed_of(request)
        room()
        socket = _socket()
        await socket.prepare(request)
        viewer = VideoViewer()
        playing = _Playing(feed, viewer)
        feed.read(viewer)
        sending = asyncio.ensure_future(_play(socket, viewer, playing))
        try:
            with letting_go(request):
                async for _ in socket:  # it says nothing; this ends when it has gone
                    pass
        finally:
            feed.read_no_more(viewer)
            playing.end()
            sending.cancel()
        return socket

    async def motion_jpeg(request: web.Request) -> web.StreamResponse:
        """The drawn pictures for everything that shows an endless JPEG."""
        feed = feed_of(request)
        room()
        response = web.StreamResponse(headers={"Content-Type": "multipart/x-mixed-replace; boundary=picture"})
        await response.prepare(request)

        async def send(viewer: Viewer) -> bool:
            shown = await viewer.next()
            if isinstance(shown, Shown) and shown.drawn:
                head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(shown.drawn)}\r\n\r\n"
                async with asyncio.timeout(STALLED_S):
                    await response.write(head.encode() + shown.drawn + b"\r\n")
            return True

        with letting_go(request):
            await _watch(feed, send, drawn=True)
        return response

    async def snapshot(request: web.Request) -> web.Response:
        feed = feed_of(request)
        drawn = request.query.get("drawn") == "1"
        viewer = Viewer(drawn=drawn)
        feed.join(viewer)
        try:
            async with asyncio.timeout(_SNAPSHOT_S):
                while isinstance(shown := await viewer.next(), str) or (drawn and not shown.drawn):
                    pass
        except TimeoutError:
            return web.Response(status=503, text="no picture comes at present\n")
        finally:
            feed.leave(viewer)
        return web.Response(body=shown.drawn if drawn else shown.clean, content_type="image/jpeg")

    add_whep(app, feed_of, room, ice)
    app.router.add_get("/api/cameras/{camera}/pictures", pictures)
    app.router.add_get("/api/cameras/{camera}/video", video)
    app.router.add_get("/api/cameras/{camera}/mjpeg", motion_jpeg)
    app.router.add_get("/api/cameras/{camera}/snapshot.jpg", snapshot)


def _socket() -> web.WebSocketResponse:
    """What is sent is compressed already: deflating it for each viewer would cost more than the encoder."""
    return web.WebSocketResponse(heartbeat=STALLED_S, max_msg_size=1024, compress=False)


class _Playing:
    """Which size of a camera's video somebody plays: a smaller one where the line does not take this one."""

    def __init__(self, feed: Feed, viewer: VideoViewer) -> None:
        self._feed, self._viewer = feed, viewer
        self._sizes = Sizes(len(feed.videos))
        self._hub = feed.video
        self._cuts = 0
        self._hub.fragments.join(viewer)

    def look(self, now_s: float) -> None:
        """Change it where it has to be."""
        too_thin = self._viewer.cuts > self._cuts
        if self._sizes.judge(too_thin=too_thin, now_s=now_s):
            self.end()
            self._viewer.smaller = "a smaller picture: the line does not take more" if self._sizes.current else ""
            self._hub = self._feed.videos[self._sizes.current]
            self._hub.fragments.join(self._viewer)
        self._cuts = self._viewer.cuts

    def end(self) -> None:
        """Play no longer."""
        self._hub.fragments.leave(self._viewer)


async def _play(socket: web.WebSocketResponse, viewer: VideoViewer, playing: _Playing) -> None:
    """Send what comes, until the viewer has gone or takes nothing for too long; then it is told and sent away."""
    try:
        while True:
            item = await viewer.next()
            # Not wait_for: until Python 3.12 it may swallow that this is cancelled, and would wait here for ever.
            async with asyncio.timeout(STALLED_S):
                await (socket.send_str(item) if isinstance(item, str) else socket.send_bytes(item))
            playing.look(time.monotonic())
    except TimeoutError:
        log.info("a viewer took no picture for %.0f s and is sent away", STALLED_S)
        await socket.close(code=4000, message=b"too slow", drain=False)
    except ConnectionError:
        log.debug("a viewer has left")


async def _watch(feed: Feed, send: Callable[[Viewer], Awaitable[bool]], *, drawn: bool) -> None:
    """Have a viewer sent what comes, until ``send`` says that it wants no more, has gone, or takes nothing."""
    viewer = Viewer(drawn=drawn)
    feed.join(viewer)
    try:
        while await send(viewer):
            pass
    except TimeoutError:
        log.info("%s: a viewer took no picture for %.0f s and is sent away", feed.name, STALLED_S)
    except ConnectionError:
        log.debug("%s: a viewer has left", feed.name)
    finally:
        feed.leave(viewer)


async def _send(socket: web.WebSocketResponse, viewer: Viewer) -> None:
    shown = await viewer.next()
    if isinstance(shown, str):
        await socket.send_str(json.dumps({"notice": shown}))
    else:
        await socket.send_str(shown.objects)
        async with asyncio.timeout(STALLED_S):
            await socket.send_bytes(shown.clean)
