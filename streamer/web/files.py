"""Files of the disk as answers, in parts, too; numbers that are asked with."""

from __future__ import annotations

import math
from pathlib import Path

from aiohttp import web

_TYPES = {".mp4": "video/mp4", ".mov": "video/quicktime", ".mkv": "video/x-matroska", ".jpg": "image/jpeg"}
FRESH = "private, no-cache"
"""A browser may keep it, and asks each time whether it is still the same."""


def number_of(request: web.Request, key: str, otherwise: float) -> float:
    """A number that is asked with. Raises ``HTTPBadRequest`` for one that is none."""
    try:
        number = float(request.query.get(key, otherwise))
        if math.isfinite(number) and abs(number) < 1e11:
            return number
    except ValueError:
        pass
    raise web.HTTPBadRequest(text=f"{key} is no number\n")


def file_answer(request: web.Request, path: Path | None, name: str | None = None) -> web.StreamResponse:
    """A file, or the part of it that is asked for; with ``?download=1`` to be saved, as ``name``."""
    if path is None:
        raise web.HTTPNotFound(text="there is no such file\n")
    headers = {"Content-Type": _TYPES[path.suffix], "Cache-Control": FRESH}
    if request.query.get("download") == "1":
        saved = (name or path.name).encode("ascii", "replace").decode()
        headers["Content-Disposition"] = f'attachment; filename="{saved}"'
    return web.FileResponse(path, headers=headers)
