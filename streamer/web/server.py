"""Runs a web application in a thread and an event loop of its own, so that it never blocks a camera."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from streamer.errors import ConfigError
from streamer.web.access import HEADERS
from streamer.web.address import parse_endpoint, url_of

log = logging.getLogger(__name__)

_IDLE_S = 15.0
"""A connection on which no request comes, or only half of one, is closed after that."""
_SHUTDOWN_S = 2.0
"""What requests under way may take when the server is closed."""
_BACKLOG = 256


class _Refusing(RequestHandler):
    """Answers what is no HTTP as all else is answered: aiohttp's own answer names its version and repeats what was sent, and
    each of them fills the log with a traceback, in which a token may be."""

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        log.debug("%s sent what is no HTTP: %s", request.remote, type(exc).__name__)
        answer = web.Response(status=status, text="this cannot be read\n", headers=HEADERS)
        answer.force_close()
        return answer


class _Server(web.Server):
    """Makes such a handler for each connection."""

    def __call__(self) -> RequestHandler:
        return _Refusing(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    """aiohttp's own has no option for another handler."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        made.__class__ = _Server
        return made


class WebServer:
    """Serves until it is closed.

    Raises ``ConfigError`` at construction when the address cannot be had.
    """

    def __init__(
        self, address: str, make_app: Callable[[], web.Application], *, what: str = "web", tls: ssl.SSLContext | None = None
    ) -> None:
        """``make_app`` is called in the server's thread; ``what`` names the server in errors and in the thread's name."""
        self.host, port = parse_endpoint(address, what)
        self.port = port
        """The port that is listened on, also where 0 was asked for."""
        self._what, self._tls, self._make_app = what, tls, make_app
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._begun = threading.Event()
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name=what, daemon=True)
        self._thread.start()
        self._begun.wait()
        for error in self._failures:
            self._thread.join()
            if not isinstance(error, OSError | UnicodeError):
                raise error
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigError(
                f"{what} cannot listen on {self.host}:{port}: {reason or error}", hint="choose another address or port"
            ) from error

    @property
    def url(self) -> str:
        """Where it is found."""
        return url_of(self.host, self.port, tls=self._tls is not None)

    def close(self) -> None:
        """Stop listening, and wait for the requests under way, no longer than two seconds. May be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(2 * _SHUTDOWN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            if self._begun.is_set():
                log.exception("the server of %s has ended", self._what)
            self._failures.append(error)
        finally:
            self._loop.close()
            self._begun.set()

    async def _serve(self) -> None:
        runner = _Runner(
            self._make_app(),
            access_log=None,
            keepalive_timeout=_IDLE_S,
            shutdown_timeout=_SHUTDOWN_S,
            handler_cancellation=True,  # who has left is not waited for
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.host, self.port, ssl_context=self._tls, backlog=_BACKLOG)
            await site.start()
            self.port = int(runner.addresses[0][1])
            self._begun.set()
            await self._stop.wait()
        finally:
            await runner.cleanup()
