"""HTTP server: ``/metrics`` for Prometheus, ``/healthz`` for supervisors, ``/status`` for everything else."""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streamer.errors import ConfigError
from streamer.events.delivery import DeliveryStatus
from streamer.live.metrics import registry
from streamer.live.status import CameraStatus
from streamer.runtime.utc import iso_utc

logger = logging.getLogger(__name__)

_REQUEST_TIMEOUT_S = 2.0


def parse_address(text: str) -> tuple[str, int]:
    """``9090``, ``0.0.0.0:9090`` or ``[::1]:9090`` as host and port; this machine alone when only a port is given.

    Raises ``ConfigError``. Port 0 lets the system choose.
    """
    host, _, port = text.strip().rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"metrics address {text!r}: expected PORT or ADDRESS:PORT", hint="for example 9090 or 0.0.0.0:9090")
    return host.strip("[]") or "127.0.0.1", int(port)


def check_address(text: str) -> None:
    """Raise ``ConfigError`` for an address that is none of this machine; whether its port is free shows when it is used."""
    host, port = parse_address(text)
    try:
        family, kind, _, _, target = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind) as trial:
            trial.bind(target)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"metrics cannot listen on {host}:{port}: {reason or error}", hint="choose an address of this machine"
        ) from error


Deliveries = Callable[[], Mapping[str, Sequence[DeliveryStatus]]]
"""Says, by folder of events, how each target of delivery is doing."""


def health(
    cameras: Sequence[CameraStatus], deliveries: Mapping[str, Sequence[DeliveryStatus]]
) -> tuple[HTTPStatus, dict[str, Any]]:
    """200 while every source is healthy, else 503 with which is not, its state and since when, and why it is not healthy.

    A target of delivery that is away is named, and makes nobody unhealthy: its messages wait, and a restart would not bring
    it back.
    """
    bad = [
        {
            "source": camera.name,
            "state": camera.state,
            "since": iso_utc(camera.since_utc_s),
            "seconds": round(camera.state_s, 1),
            "reasons": list(camera.problems),
        }
        for camera in cameras
        if not camera.healthy
    ]
    good = bool(cameras) and not bad
    return (HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE), {
        "status": "ok" if good else "degraded",
        "sources": len(cameras),
        "unhealthy": bad,
        "undelivered": [
            {"events": folder, "target": each.target, "waiting": each.waiting, "reason": each.problem}
            for folder, targets in deliveries.items()
            for each in targets
            if each.problem
        ],
    }


class HealthServer:
    """Serves until it is closed; one thread that accepts and one short-lived thread a request.

    Raises ``ConfigError`` at construction when the address cannot be had.
    """

    def __init__(self, address: str, cameras: Callable[[], Sequence[CameraStatus]], deliveries: Deliveries = dict) -> None:
        host, port = parse_address(address)
        try:
            family, _, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            self._server = _Server(family, (str(target[0]), int(target[1])), cameras, deliveries)
        except OSError as error:
            raise ConfigError(
                f"metrics cannot listen on {host}:{port}: {error.strerror or error}", hint="choose another address or port"
            ) from error
        self.host = host
        self.port = int(self._server.server_address[1])
        """The port that is listened on, also where 0 was asked for."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def close(self) -> None:
        """Stop listening and wait for the requests under way. May be called twice."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    # Waited for at the close, which the time-out of a request bounds.
    daemon_threads = False
    block_on_close = True

    def __init__(
        self,
        family: int,
        address: tuple[str, int],
        cameras: Callable[[], Sequence[CameraStatus]],
        deliveries: Deliveries,
    ) -> None:
        self.address_family = family
        self.metrics: CollectorRegistry = registry(cameras, deliveries)
        self.cameras = cameras
        self.deliveries = deliveries
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the base class's look-up of the machine's name, which can wait for a name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  # the base class's signature
        """A peer that went away in the middle is no error of ours."""
        logger.debug("a request from %s ended early: %r", client_address, sys.exception())


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _REQUEST_TIMEOUT_S
    server_version = "streamer"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        try:
            match path:
                case "/metrics":
                    encode, kind = choose_encoder(self.headers.get("Accept", ""))
                    self._answer(HTTPStatus.OK, encode(self.server.metrics), kind)
                case "/healthz":
                    self._json(*health(self.server.cameras(), self.server.deliveries()))
                case "/status":
                    self._json(HTTPStatus.OK, self._status())
                case _:
                    self._json(HTTPStatus.NOT_FOUND, {"paths": ["/metrics", "/healthz", "/status"]})
        except OSError:
            raise
        except Exception:
            logger.exception("%s failed", path)
            self._json(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "see the log"})

    def do_HEAD(self) -> None:
        self.do_GET()

    def _status(self) -> dict[str, Any]:
        delivery = [
            {"events": folder, **each.as_dict()} for folder, targets in self.server.deliveries().items() for each in targets
        ]
        return {"cameras": [camera.as_dict() for camera in self.server.cameras()], "delivery": delivery}

    def _json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._answer(status, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode(), "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        logger.debug(format, *args)
