"""A Hub on the loopback interface that serves one archive, whole or badly."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def archive(folder: Path) -> bytes:
    """The folder's content as the .tar.gz that a Hub serves."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(folder, arcname=".")
    return buffer.getvalue()


def archive_of(*members: tarfile.TarInfo) -> bytes:
    """An archive of a model and, behind it, these members; those that are files hold nothing."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in (tarfile.TarInfo("./saved_model.pb"), *members):
            tar.addfile(member)
    return buffer.getvalue()


class Hub:
    """What it serves next, and what it was asked for."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.status = 200
        self.sent_bytes: int | None = None
        """Break off after so many bytes; None sends all."""
        self.declares_length = True
        self.stalls = False
        """Whether it waits after ``sent_bytes`` instead of closing the connection; once released it sends the rest."""
        self.stalled = threading.Event()
        self.released = threading.Event()
        self.requests: list[tuple[str, str | None]] = []
        """Path with query, and the Authorization header, of each request."""
        self.port = 0

    def handle(self, name: str = "model/1") -> str:
        """The address of a model."""
        return f"http://127.0.0.1:{self.port}/{name}"


@contextmanager
def serving(body: bytes) -> Iterator[Hub]:
    """A running Hub; it has ended when the block has."""
    hub = Hub(body)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.requests.append((self.path, self.headers.get("Authorization")))
            self.send_response(hub.status)
            if hub.declares_length:
                self.send_header("Content-Length", str(len(hub.body)))
            self.end_headers()
            self.wfile.write(hub.body[: hub.sent_bytes])
            self.wfile.flush()
            if hub.stalls:
                hub.stalled.set()
                hub.released.wait(30.0)
                with suppress(OSError):  # a client that was killed meanwhile
                    self.wfile.write(hub.body[hub.sent_bytes :])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
            """Tests have nothing to read there."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="hub")
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
