"""The demo as a command: serves until it is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable

from streamer.config.demo import DemoConfig
from streamer.demo.check import check
from streamer.live.web import access_of, sign_in_url, tls_of
from streamer.web.server import WebServer


def run_demo(config: DemoConfig, tell: Callable[[str], None]) -> None:
    """Serve the demo until Ctrl-C or SIGTERM raises ``KeyboardInterrupt``; ``tell`` says where it is.

    Raises ``ConfigError`` for what cannot be, such as an address that is taken, a class that there is not, a missing extra.
    """
    check(config)
    access = access_of(config, config.web)
    from streamer.demo.application import demo_app

    with WebServer(config.web, lambda: demo_app(config, access), tls=tls_of(config)) as server:
        if config.web_token is None and access.token is not None:
            tell(f"open {sign_in_url(access, server.port)}")
        else:
            tell(f"open {server.url}")
        threading.Event().wait()
