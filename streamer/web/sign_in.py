"""Signing in with a token, and out again; who is signed in."""

from __future__ import annotations

from aiohttp import web

from streamer.web.access import COOKIE, ROLE, SESSION_S, SIGN_IN, SIGN_IN_PAGE, Access
from streamer.web.pages import Pages
from streamer.web.service import answer

_PATH = ""
"""A browser takes the path that it knows this server by, which a proxy may have put in front."""


def add_sign_in(app: web.Application, access: Access, pages: Pages) -> None:
    """Serve ``/login``, ``/logout`` and ``/api/session``."""

    async def page(request: web.Request) -> web.Response:
        return pages.file(request, "login.html")

    async def sign_in(request: web.Request) -> web.Response:
        remote = request.remote or ""
        if access.is_barred(remote):
            return web.Response(status=429, text="too many wrong tokens; wait a minute\n", headers={"Retry-After": "60"})
        try:
            token = (await request.post()).get("token", "")
        except (ValueError, LookupError, AssertionError) as error:  # aiohttp's ways to say that it is no form
            raise web.HTTPBadRequest(text="this is no form\n") from error
        session = access.sign_in(token.strip() if isinstance(token, str) else "", remote)
        if session is None:
            return web.Response(status=401, text="this is not the token\n")
        response = answer({"role": session[1].name.lower()})
        response.set_cookie(
            COOKIE, session[0], max_age=int(SESSION_S), httponly=True, samesite="Strict", secure=access.tls, path=_PATH
        )
        return response

    async def sign_out(request: web.Request) -> web.Response:
        access.sign_out(request.cookies.get(COOKIE, ""))
        response = answer({})
        response.del_cookie(COOKIE, path=_PATH)
        return response

    async def session(request: web.Request) -> web.Response:
        return answer({"role": request[ROLE].name.lower(), "signed_in": access.token is not None})

    app.router.add_get("/api/session", session)
    app.router.add_get("/login", page, name=SIGN_IN_PAGE)
    app.router.add_post("/login", sign_in, name=SIGN_IN)
    app.router.add_post("/logout", sign_out)
