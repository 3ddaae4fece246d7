"""Pages, scripts and styles: files of this package, served as they are."""

from __future__ import annotations

import hashlib
import mimetypes
from importlib.resources import files

from aiohttp import web

from streamer.web.access import STATIC

_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


class Pages:
    """The files of ``streamer/web/static``, read once."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, str, str]] = {}
        for file in files("streamer.web").joinpath("static").iterdir():
            if file.is_file():
                content = file.read_bytes()
                suffix = "." + file.name.rpartition(".")[2]
                kind = _TYPES.get(suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                self._files[file.name] = content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"'

    def file(self, request: web.Request, name: str) -> web.Response:
        """The answer with a file; that it is still the same, where the browser has it. Raises ``HTTPNotFound``."""
        found = self._files.get(name)
        if found is None:
            raise web.HTTPNotFound(text="there is no such page\n")
        content, kind, tag = found
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Type": f"{kind}; charset=utf-8"}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=content, headers=headers)


def add_static(app: web.Application, pages: Pages) -> None:
    """Serve scripts and styles under ``/static/``; no other file of the machine can be named."""

    async def static(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name.endswith(".html"):
            raise web.HTTPNotFound(text="there is no such page\n")
        return pages.file(request, name)

    app.router.add_get("/static/{name}", static, name=STATIC)
