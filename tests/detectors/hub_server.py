"""A Hub on the loopback interface that serves one archive, whole or badly."""

from __future__ import annotations

import base64
import hashlib
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
        self.location: str | None = None
        """Where it redirects to, with a ``status`` of 302."""
        self.sent_bytes: int | None = None
        """Break off after so many bytes of an answer; None sends all."""
        self.declares_length = True
        self.etag = ""
        self.modified = ""
        self.content_type = "application/gzip"
        self.declares_md5 = False
        self.md5_of: bytes | None = None
        """What the md5 is of that it declares; None: of the body."""
        self.knows_ranges = False
        self.knows_if_range = True
        """Whether a range of another version than ``If-Range`` names is answered with all of it."""
        self.refuses_ranges = False
        """Whether every range is answered with 416."""
        self.range_total: int | None = None
        """The whole length that it says beside a part; None: the true one."""
        self.ranges: list[str | None] = []
        """The Range header of each request."""
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
            wanted = self.headers.get("Range")
            hub.ranges.append(wanted)
            current = self.headers.get("If-Range") in (None, hub.etag, hub.modified) or not hub.knows_if_range
            serves_ranges = hub.knows_ranges and hub.location is None and current
            first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and serves_ranges else 0
            total = len(hub.body) if hub.range_total is None else hub.range_total
            if wanted and hub.location is None and (hub.refuses_ranges or first >= len(hub.body)):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.end_headers()
                return
            self.send_response(206 if first else hub.status)
            self.send_header("Content-Type", hub.content_type)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(hub.body) - 1}/{total}")
            if hub.location is not None:
                self.send_header("Location", hub.location)
            if hub.etag:
                self.send_header("ETag", hub.etag)
            if hub.modified:
                self.send_header("Last-Modified", hub.modified)
            if hub.declares_md5:
                md5 = hashlib.md5(hub.body if hub.md5_of is None else hub.md5_of, usedforsecurity=False).digest()
                self.send_header("x-goog-hash", "crc32c=AAAAAA==")
                self.send_header("x-goog-hash", f"md5={base64.b64encode(md5).decode()}")
            if hub.declares_length:
                self.send_header("Content-Length", str(len(hub.body) - first))
            self.end_headers()
            body = hub.body[first:]
            with suppress(OSError):  # a client that has seen enough
                self.wfile.write(body[: hub.sent_bytes])
                self.wfile.flush()
            if hub.stalls:
                hub.stalled.set()
                hub.released.wait(30.0)
                with suppress(OSError):  # a client that was killed meanwhile
                    self.wfile.write(body[hub.sent_bytes :])

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
