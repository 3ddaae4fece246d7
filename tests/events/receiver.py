"""A webhook receiver that fails on demand."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.waiting import wait_until

Behaviour = Callable[["_Handler"], None]
"""What becomes of a request. What is taken is noted before the sender is told so."""


@dataclass
class Post:
    """A request that the receiver has read."""

    headers: Message
    body: bytes

    @property
    def key(self) -> str:
        return str(self.headers["Idempotency-Key"])

    @property
    def parts(self) -> dict[str, bytes]:
        """The parts of a form, by name."""
        form = BytesParser().parsebytes(f"Content-Type: {self.headers['Content-Type']}\n\n".encode() + self.body)
        found: dict[str, Any] = {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True) for part in form.walk()
        }
        return found

    @property
    def event(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.body)
        return said

    def signed_with(self, secret: str) -> bool:
        signed = hmac.new(secret.encode(), f"{self.headers['X-Timestamp']}.".encode() + self.body, hashlib.sha256)
        return hmac.compare_digest(f"sha256={signed.hexdigest()}", str(self.headers["X-Signature"]))


def status(code: int, headers: dict[str, str] | None = None) -> Behaviour:
    """Answer with ``code``."""

    def behave(handler: _Handler) -> None:
        if 200 <= code < 300:
            handler.take()
        handler.answer(code, headers or {})

    return behave


def lost_reply(handler: _Handler) -> None:
    """Take it, and cut the connection before saying so."""
    handler.take()
    handler.cut()


def cut(handler: _Handler) -> None:
    """Cut the connection without taking it."""
    handler.cut()


def silence(handler: _Handler) -> None:
    """Say nothing until the sender or the test has gone."""
    handler.receiver.silent.set()
    handler.receiver.released.wait(60)


@dataclass
class Receiver:
    """Takes every POST, but for those that ``behaviours`` say something else of, in turn."""

    port: int = 0
    behaviours: list[Behaviour] = field(default_factory=list)
    taken: list[Post] = field(default_factory=list)
    requests: int = 0
    silent: threading.Event = field(default_factory=threading.Event)
    """Set while a request is not answered."""
    released: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", self.port), _Handler)
        server.receiver = self  # type: ignore[attr-defined]  # read by its handlers
        self._server, self.port = server, server.server_port
        self._thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="receiver")
        self._thread.start()

    def stop(self) -> None:
        self.released.set()
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            self._thread.join()
            server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def keys(self) -> list[str]:
        return [post.key for post in self.taken]

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.taken) >= count, what=lambda: f"{count} messages, got {self.keys}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    @property
    def receiver(self) -> Receiver:
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]  # set by Receiver.start
        return receiver

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.post = Post(self.headers, self.rfile.read(length))
        if len(self.post.body) < length:  # the sender was killed
            self.close_connection = True
            return
        self.receiver.requests += 1
        behave = self.receiver.behaviours.pop(0) if self.receiver.behaviours else status(200)
        behave(self)

    def take(self) -> None:
        self.receiver.taken.append(self.post)

    def answer(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.start()
    yield receiver
    receiver.stop()
