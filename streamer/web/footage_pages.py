"""The page that plays what was recorded, on the time line of a day."""

from __future__ import annotations

import asyncio

from aiohttp import web

from streamer.web.files import file_answer, number_of
from streamer.web.footage import MOST_S, FootageLibrary
from streamer.web.pages import Pages
from streamer.web.service import answer


def add_footage(app: web.Application, pages: Pages, library: FootageLibrary) -> None:
    """Serve ``/footage`` and ``/api/cameras/NAME/footage``."""

    async def page(request: web.Request) -> web.Response:
        return pages.file(request, "footage.html")

    async def segments(request: web.Request) -> web.Response:
        start, end = number_of(request, "from", 0.0), number_of(request, "to", 0.0)
        if not 0 <= end - start <= MOST_S:
            raise web.HTTPBadRequest(text="expected from and to, seconds since 1970, two days apart at most\n")
        camera = request.match_info["camera"]
        try:
            found = await asyncio.to_thread(library.segments, camera, start, end)
            why_not = library.why_not(camera)
        except KeyError as error:
            raise web.HTTPNotFound(text="there is no such camera\n") from error
        told = [{"name": each.name, "from": each.start_utc_s, "to": each.end_utc_s, "bytes": each.size_bytes} for each in found]
        return answer({"segments": told, "why_not": why_not})

    async def file(request: web.Request) -> web.StreamResponse:
        try:
            path = await asyncio.to_thread(library.file, request.match_info["camera"], request.match_info["file"])
        except KeyError as error:
            raise web.HTTPNotFound(text="there is no such camera\n") from error
        return file_answer(request, path)

    app.router.add_get("/footage", page)
    app.router.add_get("/api/cameras/{camera}/footage", segments)
    app.router.add_get("/api/cameras/{camera}/footage/{file}", file)
