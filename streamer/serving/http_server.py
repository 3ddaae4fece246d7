"""The protocol by HTTP, with the binary tensor extension; and metrics, health and status."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from streamer.kserve import http_messages as messages
from streamer.kserve.http_messages import JSON_LENGTH
from streamer.kserve.tensors import BadMessage
from streamer.serving.failures import Busy, Failed, Unknown
from streamer.serving.pictures import MOST_BYTES
from streamer.serving.service import MOST_WAITING, ModelService, outcome_of
from streamer.web.access import Access, guard
from streamer.web.service import Service, add_service, answer

log = logging.getLogger(__name__)

_MOST_BODY = 4 * MOST_BYTES
"""A picture as numbers in JSON is this much longer."""
_MOST_REGION_BODY = 1 << 16
"""A region's name in memory and two numbers."""
_MOST_AT_ONCE = 2 * MOST_WAITING
"""Requests that are read at the same time: each may hold a picture."""
_STATUS: dict[type[BaseException], int] = {Busy: 429, Unknown: 404, BadMessage: 400, Failed: 500}
_OPEN = ("/v2/health/live", "/v2/health/ready", "/healthz")
"""Paths for all who know the server's name, without a token: those of a probe."""
_READ_S = 30.0
"""What a request may take to come: each that is being read takes the place of another."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def serving_app(service: ModelService, told: Service, access: Access) -> web.Application:
    """The application. It lives in one event loop."""
    app = web.Application(client_max_size=_MOST_BODY)
    app.middlewares.append(_refusals(service))
    guard(app, access, _OPEN)
    app.middlewares.append(_failures)
    add_service(app, told)
    reading = 0

    async def well(_: web.Request) -> web.Response:
        return web.Response()

    async def ready_at_all(_: web.Request) -> web.Response:
        return web.Response(status=503 if service.problem else 200)

    async def server(_: web.Request) -> web.Response:
        about = service.server
        return answer({"name": about.name, "version": about.version, "extensions": list(about.extensions)})

    async def model(request: web.Request) -> web.Response:
        return answer(messages.model_to_json(_metadata(request)))

    async def ready(request: web.Request) -> web.Response:
        _metadata(request)
        return await ready_at_all(request)

    def _metadata(request: web.Request) -> Any:
        return service.metadata(request.match_info["model"], request.match_info.get("version", ""))

    async def infer(request: web.Request) -> web.Response:
        nonlocal reading
        try:
            reading += 1
            response = await inferred(request)
        except asyncio.CancelledError:
            service.note("http", "left")
            raise
        except web.HTTPException:
            service.note("http", "bad")
            raise
        except Exception as error:
            outcome, reason = outcome_of(error)
            service.note("http", outcome)
            raise reason from error
        finally:
            reading -= 1
        service.note("http", "answered")
        return response

    async def inferred(request: web.Request) -> web.Response:
        if reading > _MOST_AT_ONCE:
            raise Busy("too many requests of all clients wait already")
        try:
            async with asyncio.timeout(_READ_S):
                body = await request.read()
        except TimeoutError as error:
            raise web.HTTPRequestTimeout(text=f"the request did not come within {_READ_S:g} s") from error
        length = request.headers.get(JSON_LENGTH)
        asked, binary = await asyncio.to_thread(
            messages.request_from_body, body, length, request.match_info["model"], request.match_info.get("version", "")
        )
        future = await asyncio.to_thread(service.begin, _client(request), asked)
        found = await asyncio.wrap_future(future)
        parts, json_length = await asyncio.to_thread(
            lambda: messages.response_to_body(service.answer(asked, found), binary=binary)
        )
        headers = {JSON_LENGTH: str(json_length)} if binary else {}
        kind = "application/octet-stream" if binary else "application/json"
        return web.Response(body=b"".join(parts), headers={"Content-Type": kind, **headers})

    async def register(request: web.Request) -> web.Response:
        body = await request.clone(client_max_size=_MOST_REGION_BODY).read()
        key, offset, size = messages.region_from_json(body)
        service.regions.register(request.match_info["region"], key, offset, size)
        return answer({})

    async def unregister(request: web.Request) -> web.Response:
        service.regions.unregister(request.match_info.get("region", ""))
        return answer({})

    app.router.add_get("/v2", server)
    app.router.add_get("/v2/health/live", well)
    app.router.add_get("/v2/health/ready", ready_at_all)
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        app.router.add_get(path, model)
        app.router.add_get(f"{path}/ready", ready)
        app.router.add_post(f"{path}/infer", infer)
    if service.shares_memory:
        app.router.add_post("/v2/systemsharedmemory/region/{region}/register", register)
        app.router.add_post("/v2/systemsharedmemory/region/{region}/unregister", unregister)
    return app


def _client(request: web.Request) -> str:
    """Who asks: a connection."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return f"http:{peer[0]}:{peer[1]}" if peer else "http"


def _refusals(service: ModelService) -> Any:
    """Count who was turned away, and say why as the protocol wants it."""

    @web.middleware
    async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if (
            response.status not in (401, 403, 429)
            or not isinstance(response, web.Response)
            or response.content_type != "text/plain"
        ):
            return response
        service.note("http", "refused")
        refused = _error(response.status, (response.text or "").strip())
        refused.headers.update(
            {name: response.headers[name] for name in ("WWW-Authenticate", "Retry-After") if name in response.headers}
        )
        return refused

    return refusals


@web.middleware
async def _failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as the protocol wants them, ``{"error": TEXT}``."""
    try:
        return await handler(request)
    except (Busy, Unknown, BadMessage, Failed) as error:
        return _error(_STATUS[type(error)], str(error))
    except web.HTTPException as error:
        return _error(error.status, (error.text or error.reason).strip())
    except Exception:
        log.exception("%s failed", request.path)
        return _error(500, "see the server's log")


def _error(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=json.dumps({"error": text}) + "\n", content_type="application/json")
