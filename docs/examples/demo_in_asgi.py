"""The webcam demo beside an ASGI application, here one of Starlette: http://127.0.0.1:8000 leads to http://127.0.0.1:8080.

uvicorn demo_in_asgi:application
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

import streamer.web

PORT = 8080


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """The demo lives as long as the application, in the same event loop, on a port of its own."""
    runner = web.AppRunner(streamer.web.app(detector="nanodet", sessions=2), handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", PORT).start()
        yield
    finally:
        await runner.cleanup()


async def home(_: Request) -> HTMLResponse:
    return HTMLResponse(f'<a href="http://127.0.0.1:{PORT}/">Try it with your camera</a>')


application = Starlette(routes=[Route("/", home)], lifespan=lifespan)
