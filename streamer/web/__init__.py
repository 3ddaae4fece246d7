"""What is served by HTTP: the wall of cameras, figures, health."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp.web import Application


def app(**options: object) -> Application:
    """The webcam demo, to embed in an aiohttp application: ``main.add_subapp("/demo/", streamer.web.app(sessions=2))``.

    ``options`` are those of the command ``streamer web``, with underscores for dashes; so is who may use it: only this machine,
    unless ``web`` names an address (then a token is needed) or ``web_hosts`` the names that browsers know it by. Raises
    ``ConfigError`` for what cannot be, and where the extra ``web`` is not installed.
    """
    from streamer.demo.application import app as demo

    return demo(**options)
