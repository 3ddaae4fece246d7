"""The page on which zones and lines are drawn, and what it asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar

from aiohttp import web

from streamer.errors import StreamerError
from streamer.web.access import ROLE, Role, needs
from streamer.web.pages import Pages
from streamer.web.service import answer, json_of

P = ParamSpec("P")
T = TypeVar("T")


class Outdated(Exception):
    """Others have changed the zones since the page asked for them; the message says what to do."""


class Places(Protocol):
    """The zones and lines of all cameras. Called in threads; all calls raise ``KeyError`` for a camera that there is not."""

    def told(self, camera: str) -> dict[str, Any]:
        """What a page has to know of a camera, as JSON."""

    def change(self, camera: str, said: Mapping[str, Any], *, save: bool) -> None:
        """Take what a page has said. Raises ``StreamerError`` and ``Outdated``."""

    def as_yaml(self, camera: str, said: Mapping[str, Any]) -> str:
        """The same as YAML. Raises ``StreamerError``."""


def add_zones(app: web.Application, pages: Pages, places: Places) -> None:
    """Serve ``/zones`` and ``/api/cameras/NAME/zones``."""

    async def page(request: web.Request) -> web.Response:
        return pages.file(request, "zones.html")

    async def told(request: web.Request) -> web.Response:
        found = await _in_thread(places.told, request.match_info["camera"])
        return answer({**found, "may_change": request[ROLE] >= Role.OPERATE})

    async def change(request: web.Request) -> web.Response:
        needs(request, Role.OPERATE)
        said = await json_of(request)
        await _in_thread(places.change, request.match_info["camera"], said, save=said.get("save") is True)
        return await told(request)

    async def as_yaml(request: web.Request) -> web.Response:
        needs(request, Role.OPERATE)
        text = await _in_thread(places.as_yaml, request.match_info["camera"], await json_of(request))
        return web.Response(text=text, content_type="application/yaml")

    app.router.add_get("/zones", page)
    app.router.add_get("/api/cameras/{camera}/zones", told)
    app.router.add_put("/api/cameras/{camera}/zones", change)
    app.router.add_post("/api/cameras/{camera}/zones/yaml", as_yaml)


async def _in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return await asyncio.to_thread(call, *args, **kwargs)
    except KeyError as error:
        raise web.HTTPNotFound(text="there is no such camera, or it is only recorded\n") from error
    except Outdated as error:
        raise web.HTTPConflict(text=f"{error}\n") from error
    except StreamerError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
