"""``/metrics`` for Prometheus, ``/healthz`` for supervisors, ``/status`` for everything else."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

log = logging.getLogger(__name__)

PATHS = ("/metrics", "/healthz", "/status")


@dataclass(frozen=True, slots=True)
class Service:
    """What is told; each is called for each request, in a thread beside the server's: a slow disk must not hold others up."""

    metrics: Callable[[str], tuple[bytes, str]]
    """The metrics for an ``Accept`` header, and their content type."""
    health: Callable[[], tuple[int, Mapping[str, Any]]]
    """HTTP status and what is said."""
    status: Callable[[], Mapping[str, Any]]


def add_service(app: web.Application, service: Service) -> None:
    """Serve the three paths."""

    async def metrics(request: web.Request) -> web.Response:
        body, kind = await asyncio.to_thread(service.metrics, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": kind})

    async def health(_: web.Request) -> web.Response:
        status, content = await asyncio.to_thread(service.health)
        return answer(content, status=int(status))

    async def status(_: web.Request) -> web.Response:
        return answer(await asyncio.to_thread(service.status))

    for path, handler in zip(PATHS, (metrics, health, status), strict=True):
        app.router.add_get(path, handler)


def service_app(service: Service) -> web.Application:
    """An application that serves nothing else."""
    app = web.Application(middlewares=[failures], client_max_size=1024)
    add_service(app, service)
    return app


def answer(content: Mapping[str, Any], *, status: int = 200) -> web.Response:
    """JSON."""
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return web.Response(status=status, body=text.encode(), headers=headers)


async def json_of(request: web.Request) -> dict[str, Any]:
    """The body of a request, a JSON object. Raises ``HTTPBadRequest``."""
    try:
        said = json.loads(await request.text())
    except (ValueError, LookupError, RecursionError) as error:  # no JSON, no UTF-8, an encoding that there is not
        raise web.HTTPBadRequest(text="expected JSON\n") from error
    if not isinstance(said, dict):
        raise web.HTTPBadRequest(text="expected a JSON object\n")
    return said


@web.middleware
async def failures(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    """Answer 404 with the paths that there are, and a failure of ours with 500; its reason is in the log only."""
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPNotFound:
        return answer({"paths": list(PATHS)}, status=404)
    except web.HTTPException:
        raise
    except Exception as error:
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            log.debug("%s: who asked has left", request.path)
        else:
            log.exception("%s failed", request.path)
        return answer({"error": "see the log"}, status=500)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
