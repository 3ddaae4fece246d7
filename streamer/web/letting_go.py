"""Connections of viewers that have ended: none stays open because its viewer does not take the rest of what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

LAST_S = 5.0
"""What has not been taken so long after the end is not sent any more."""


@contextmanager
def letting_go(request: web.Request) -> Iterator[None]:
    """Around what is sent to a viewer, once its response is prepared: a connection that no other request comes on.

    Closing one waits until all that was written is taken. A viewer that takes nothing, but is there, would hold it for ever.
    """
    transport = request.transport
    try:
        yield
    finally:
        if transport is not None:
            asyncio.get_running_loop().call_later(LAST_S, transport.abort)
