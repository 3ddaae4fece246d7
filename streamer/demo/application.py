"""The demo as a web application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from streamer.config.demo import DemoConfig, load_demo_config
from streamer.demo.check import check
from streamer.demo.choice import TREATMENTS, BadChoice
from streamer.demo.room import CAMERA, BadClip, Room, RoomFull, SessionFailed
from streamer.detectors.labels import COCO
from streamer.live.web import access_of
from streamer.web.access import ROLE, Access, Role, guard, needs
from streamer.web.ice import IceServers
from streamer.web.pages import Pages, add_static
from streamer.web.peer import BadOffer
from streamer.web.service import answer, failures, json_of
from streamer.web.sign_in import add_sign_in

log = logging.getLogger(__name__)

_BODY_BYTES = 128 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def app(**options: object) -> web.Application:
    """See ``streamer.web.app``."""
    config = load_demo_config(None, options)
    check(config)
    return demo_app(config, access_of(config, config.web))


def demo_app(config: DemoConfig, access: Access) -> web.Application:
    """The application: a page, its sessions, and nothing else. It lives in one event loop."""
    app = web.Application(client_max_size=_BODY_BYTES)
    guard(app, access)
    app.middlewares.append(failures)
    pages = Pages()
    add_static(app, pages)
    add_sign_in(app, access, pages)
    room = Room(config)
    ice = IceServers.of(config)

    async def page(request: web.Request) -> web.Response:
        return pages.file(request, "demo.html")

    async def offered(request: web.Request) -> web.Response:
        detectors = room.detectors
        return answer(
            {
                "detectors": list(detectors.names),
                "classes": sorted(set(COCO.values())),
                "backgrounds": list(TREATMENTS),
                "upload_mb": config.upload_mb,
                "ice_servers": ice.for_browser(),
                "signed_in": access.token is not None,
                "may_start": request[ROLE] >= Role.OPERATE,
            }
        )

    async def enter(request: web.Request) -> web.Response:
        needs(request, Role.OPERATE)
        said = await json_of(request)
        offer, source, choice = said.get("sdp"), said.get("source", CAMERA), said.get("choice", {})
        if not isinstance(offer, str) or not isinstance(source, str) or not isinstance(choice, dict):
            raise _told(400, "expected sdp, source and choice")
        try:
            key, sdp = await room.enter(offer, source, choice)
        except (BadOffer, BadChoice) as error:
            raise _told(400, str(error)) from error
        except RoomFull as error:
            raise _told(503, str(error)) from error
        return answer({"session": key, "sdp": sdp})

    async def status(request: web.Request) -> web.Response:
        try:
            return answer(room.status(request.match_info["session"]))
        except SessionFailed as error:
            raise _told(410, str(error)) from error

    async def choose(request: web.Request) -> web.Response:
        needs(request, Role.OPERATE)
        try:
            choice = room.choose(request.match_info["session"], await json_of(request))
        except BadChoice as error:
            raise _told(400, str(error)) from error
        return answer({"detector": choice.detector, "classes": choice.classes, "draw": sorted(choice.draw)})

    async def leave(request: web.Request) -> web.Response:
        await room.leave(request.match_info["session"])
        return answer({})

    async def bring(request: web.Request) -> web.Response:
        needs(request, Role.OPERATE)

        async def chunks() -> AsyncIterator[bytes]:
            async for chunk in request.content.iter_chunked(1 << 18):
                yield chunk

        try:
            return answer({"clip": await room.bring(chunks())})
        except BadClip as error:
            raise _told(413, str(error)) from error
        except RoomFull as error:
            raise _told(503, str(error)) from error

    def known(handler: Handler) -> Handler:
        async def handled(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except KeyError as error:
                raise _told(404, "there is no such session; reload the page") from error

        return handled

    async def close(_: web.Application) -> None:
        await room.close()

    app.router.add_get("/", page)
    app.router.add_get("/api/demo", offered)
    app.router.add_post("/api/demo/sessions", enter)
    app.router.add_get("/api/demo/sessions/{session}", known(status))
    app.router.add_post("/api/demo/sessions/{session}", known(choose))
    app.router.add_delete("/api/demo/sessions/{session}", leave)
    app.router.add_post("/api/demo/clips", bring)
    app.on_cleanup.append(close)
    return app


def _told(status: int, text: str) -> web.HTTPException:
    kinds = {400: web.HTTPBadRequest, 404: web.HTTPNotFound, 410: web.HTTPGone, 503: web.HTTPServiceUnavailable}
    if status == 413:
        return web.HTTPRequestEntityTooLarge(max_size=0, actual_size=0, text=text + "\n")
    return kinds[status](text=text + "\n")
