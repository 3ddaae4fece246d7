"""The webcam demo inside an aiohttp application: http://127.0.0.1:8080/demo/."""

from aiohttp import web

import streamer.web


async def home(_: web.Request) -> web.Response:
    return web.Response(text='<a href="/demo/">Try it with your camera</a>', content_type="text/html")


def application() -> web.Application:
    """A page of its own, and the demo under ``/demo/`` for two browsers at a time."""
    main = web.Application()
    main.router.add_get("/", home)
    main.add_subapp("/demo/", streamer.web.app(detector="nanodet", sessions=2))
    return main


if __name__ == "__main__":
    web.run_app(application(), host="127.0.0.1", port=8080)
