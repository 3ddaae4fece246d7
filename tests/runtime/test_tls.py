"""Certificates are checked by the trusted ones that this system has, unless an address is left unchecked."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from streamer.errors import SourceUnavailable
from streamer.runtime import tls as certificates
from streamer.sources.live import LiveSource
from streamer.sources.probe import probe
from tests.media import Clip
from tests.rtsp import StartServer, rtsp_server
from tests.tls import Certificate, StartTls, certificate, tls

__all__ = ["certificate", "rtsp_server", "tls"]


@pytest.fixture(autouse=True)
def forget_what_is_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "_unchecked", set())


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def video_port(tmp_path: Path) -> Iterator[int]:
    """The port of a plain HTTP server that has ``/clip.mp4``."""
    Clip().write(tmp_path / "clip.mp4")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path))
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_only_addresses_with_tls_have_options(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    trusted = {"tls_verify": "1", "ca_file": str(certificate.file)}
    assert certificates.options("rtsp://u:p@h/x") == {}
    assert certificates.options("clip.mp4") == {}
    assert certificates.options("rtsps://u:[p@h/x") == trusted
    certificates.leave_unchecked("rtsps://h:322/y")
    assert certificates.options("rtsps://u:p@h/x") == {"tls_verify": "0"}
    assert certificates.options("https://h/x") == trusted


def test_trusted_certificates_are_found_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert "BEGIN CERTIFICATE" in Path(certificates.ca_file()).read_text(encoding="utf-8")
    monkeypatch.setattr(certificates, "_BUNDLES", ())
    monkeypatch.setattr("ssl.get_default_verify_paths", lambda: type("Paths", (), {"cafile": None}))
    assert "certifi" in certificates.ca_file()


def test_a_recording_over_https(
    video_port: int, tls: StartTls, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://localhost:{tls(video_port).port}/clip.mp4"
    with pytest.raises(SourceUnavailable, match=r"not trusted \(self-signed certificate\); .*SSL_CERT_FILE.*--insecure"):
        probe(url)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    assert probe(url).streams[0].codec == "h264"
    monkeypatch.delenv("SSL_CERT_FILE")
    certificates.leave_unchecked(url)
    assert probe(url).streams[0].codec == "h264"


def test_a_camera_over_rtsps(
    rtsp_server: StartServer, tls: StartTls, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"rtsps://127.0.0.1:{tls(rtsp_server().port).port}/test"

    def opened() -> int:
        source = LiveSource(url, transport="tcp")
        try:
            return source.open().width
        finally:
            source.close()

    with pytest.raises(SourceUnavailable, match=r"not trusted \(self-signed certificate\)"):
        opened()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    assert opened() == 320
    monkeypatch.delenv("SSL_CERT_FILE")
    certificates.leave_unchecked(url)
    assert opened() == 320
