"""Devices for tests: the ONVIF services of ipycam over HTTP, and whatever else answers to a probe."""

from __future__ import annotations

import http.server
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from ipycam.config import CameraConfig
from ipycam.onvif import ONVIFService

from tests.discovery.messages import probe_match

HOST = "127.0.0.1"
Reply = tuple[int, bytes]


def service(port: int, *, user: str = "", password: str = "", name: str = "Gate") -> ONVIFService:
    """The services of a camera with a picture of 1920x1080 and one of 640x360."""
    config = CameraConfig(
        name=name, onvif_port=port, main_width=1920, main_height=1080, sub_width=640, sub_height=360, local_ip=HOST
    )
    config.username, config.password = user, password
    return ONVIFService(config)


class Http:
    """An HTTP server that answers each SOAP request by ``reply(action, body)``, with status and body."""

    def __init__(self, reply: Callable[[str, str], Reply]) -> None:
        self.actions: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                found = re.search(r"<(?:[\w.-]+:)?Body[^>]*>\s*<(?:[\w.-]+:)?(\w+)", body)
                action = found[1] if found else ""
                outer.actions.append(action)
                status, answer = reply(action, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/soap+xml")
                if status in (301, 302, 307, 308):
                    self.send_header("Location", answer.decode())
                    answer = b""
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that hangs up is part of these tests."""

        self.server = Server((HOST, 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://{HOST}:{self.port}/onvif/device_service"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def camera(*, user: str = "", password: str = "", streams: str | None = None) -> Iterator[Http]:
    """An ONVIF camera that asks for ``user`` where there is one; ``streams`` stands in place of its stream addresses."""
    found: list[ONVIFService] = []

    def reply(action: str, body: str) -> Reply:
        onvif = found[0]
        if user and action != "GetSystemDateAndTime" and not onvif.verify_usernametoken(body):
            return 401, onvif.fault("NotAuthorized").encode()
        answer = onvif.handle_action(action, body) or ""
        if streams is not None:
            answer = re.sub(r"rtsp://[^<]*", streams, answer)
        return 200, answer.encode()

    with Http(reply) as server:
        found.append(service(server.port, user=user, password=password))
        yield server


@contextmanager
def answering(*datagrams: bytes) -> Iterator[tuple[str, int]]:
    """Something that sends ``datagrams`` to whoever asks it; the address to ask."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind((HOST, 0))

        def answer() -> None:
            while True:
                asked, sender = link.recvfrom(65_535)
                if not asked:
                    return
                assert b"Probe" in asked
                for datagram in datagrams:
                    link.sendto(datagram, sender)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        address: tuple[str, int] = link.getsockname()
        try:
            yield address
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", address)
            thread.join()


def announced(*servers: Http, name: str = "Gate") -> list[bytes]:
    """The answers of ``servers`` to a probe."""
    return [probe_match(server.url, name=name) for server in servers]
