"""TLS in front of a plain server, with a certificate that nobody has signed but itself."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest


class Certificate:
    """A self-signed certificate for 127.0.0.1 and localhost, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("install openssl")
        self.file, self.key = folder / "certificate.pem", folder / "key.pem"
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3 -subj /CN=localhost"
        names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        files = ("-keyout", str(self.key), "-out", str(self.file))
        subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


class TlsProxy:
    """Passes on what comes to ``port`` over TLS to another port of this machine, and back.

    ``clients``: file of the certificates of which clients have to show one.
    """

    def __init__(self, certificate: Certificate, to_port: int, *, clients: Path | None = None) -> None:
        self._context, self._to_port = certificate.context(), to_port
        if clients is not None:
            self._context.load_verify_locations(clients)
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.set_alpn_protocols(["h2", "http/1.1"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="tls-accept")]
        self._threads[0].start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for end in self._sockets:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(plain)
            try:
                outer = self._context.wrap_socket(plain, server_side=True)
                inner = socket.create_connection(("127.0.0.1", self._to_port))
            except OSError:  # the other side does not trust the certificate
                continue
            self._sockets += [outer, inner]
            for pair in ((outer, inner), (inner, outer)):
                self._threads.append(threading.Thread(target=_pass_on, args=pair, name="tls-proxy"))
                self._threads[-1].start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


class StartTls(Protocol):
    def __call__(self, to_port: int) -> TlsProxy: ...


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate(tmp_path)


@pytest.fixture
def tls(certificate: Certificate) -> Iterator[StartTls]:
    """Starts proxies that end with the test: ``tls(server.port).port``."""
    started: list[TlsProxy] = []

    def start(to_port: int) -> TlsProxy:
        started.append(TlsProxy(certificate, to_port))
        return started[-1]

    yield start
    for proxy in started:
        proxy.close()
