"""Pages of events: the list of what happened, and one event with its clip."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from aiohttp import web

from streamer.errors import ConfigError, StreamerError
from streamer.events.query import EventQuery, parse_moment
from streamer.web.event_library import EventLibrary, Picture
from streamer.web.files import FRESH, file_answer, number_of
from streamer.web.pages import Pages
from streamer.web.service import answer

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 2
"""For reading from the disk: threads of their own, so that a slow one holds nothing else up."""
MOST_AT_ONCE = 200
_AT_ONCE = 48


def add_events(app: web.Application, pages: Pages, library: EventLibrary) -> None:
    """Serve ``/events``, ``/events/ID`` and what they show."""
    threads = ThreadPoolExecutor(_THREADS, "web-events")

    async def ended(_: web.Application) -> AsyncIterator[None]:
        yield
        threads.shutdown(wait=False, cancel_futures=True)

    async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, lambda: call(*args, **kwargs))
        except StreamerError as error:
            raise web.HTTPServiceUnavailable(text=f"{error}\n", headers={"Retry-After": "5"}) from error

    async def list_page(request: web.Request) -> web.Response:
        return pages.file(request, "events.html")

    async def event_page(request: web.Request) -> web.Response:
        return pages.file(request, "event.html")

    async def events(request: web.Request) -> web.Response:
        query, limit = _query(request)
        return _unless_known(request, answer(await in_thread(library.page, query, limit)))

    async def names(_: web.Request) -> web.Response:
        return answer(await in_thread(library.names))

    async def event(request: web.Request) -> web.Response:
        found = await in_thread(library.event, request.match_info["id"])
        if found is None:
            raise web.HTTPNotFound(text="there is no such event\n")
        return _unless_known(request, answer(found))

    async def snapshot(request: web.Request) -> web.StreamResponse:
        kind: Picture = "clean" if request.query.get("clean") == "1" else "drawn"
        return _file(request, await in_thread(library.snapshot, request.match_info["id"], kind))

    async def thumbnail(request: web.Request) -> web.Response:
        image = await in_thread(library.thumbnail, request.match_info["id"])
        if image is None:
            raise web.HTTPNotFound(text="there is no picture of this event\n")
        return _unless_known(request, web.Response(body=image, content_type="image/jpeg"))

    async def clip(request: web.Request) -> web.StreamResponse:
        part = int(number_of(request, "part", 1))
        return _file(request, await in_thread(library.clip, request.match_info["id"], part))

    async def records(request: web.Request) -> web.Response:
        part, from_s, to_s = int(number_of(request, "part", 1)), number_of(request, "from", 0.0), number_of(request, "to", 5.0)
        found = await in_thread(library.records, request.match_info["id"], part, from_s, to_s)
        if found is None:
            raise web.HTTPNotFound(text="there is no such clip\n")
        return answer(found)

    app.cleanup_ctx.append(ended)
    app.router.add_get("/events", list_page)
    app.router.add_get("/events/{id}", event_page)
    app.router.add_get("/api/events", events)
    app.router.add_get("/api/events/names", names)
    app.router.add_get("/api/events/{id}", event)
    app.router.add_get("/api/events/{id}/snapshot.jpg", snapshot)
    app.router.add_get("/api/events/{id}/thumbnail.jpg", thumbnail)
    app.router.add_get("/api/events/{id}/clip", clip)
    app.router.add_get("/api/events/{id}/records", records)


def _query(request: web.Request) -> tuple[EventQuery, int]:
    said = {key: value for key, value in request.query.items() if value}
    try:
        since, until = (parse_moment(said[key]) if key in said else None for key in ("since", "until"))
    except ConfigError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    query = EventQuery(
        camera=said.get("camera"),
        class_name=said.get("class"),
        zone=said.get("zone"),
        since_utc=since,
        until_utc=until,
        before_id=said.get("before"),
    )
    return query, max(1, min(int(number_of(request, "limit", _AT_ONCE)), MOST_AT_ONCE))


def _unless_known(request: web.Request, response: web.Response) -> web.Response:
    """The answer, or that it is still the one that the asker has."""
    body = response.body
    assert isinstance(body, bytes)
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": FRESH}
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    response.headers.update(headers)
    return response


def _file(request: web.Request, path: Path | None) -> web.StreamResponse:
    """A file of an event; saved under the camera's name, too."""
    return file_answer(request, path, None if path is None else f"{path.parent.name}-{path.name}")
