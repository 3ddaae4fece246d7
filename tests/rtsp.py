"""The fixture of a real RTSP server that tests can kill, freeze and restart."""

from __future__ import annotations

import functools
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PYTHON = "/usr/bin/python3"
"""Debian's Python: GStreamer's bindings are its packages."""
PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0 python3-gi "
    "gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly"
)
USER, PASSWORD = "viewer", "s3cret-Pa55"
_MAIN = Path(__file__).with_name("rtsp_server_main.py")
_BINDINGS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@functools.cache
def why_not() -> str:
    """Why no RTSP server can run here, with what to install; empty when it can."""
    if not Path(PYTHON).exists():
        return f"no {PYTHON}; install: {PACKAGES}"
    probe = subprocess.run([PYTHON, "-c", _BINDINGS], capture_output=True, timeout=30, check=False)
    return "" if probe.returncode == 0 else f"no GStreamer RTSP server; install: {PACKAGES}"


class RtspServer:
    """A server process with a picture at ``/test``; it keeps its port over restarts."""

    def __init__(self, *options: str, auth: str = "none", prefix: tuple[str, ...] = (), address: str = "127.0.0.1") -> None:
        self.port = 0
        self._options = options
        self._auth = auth
        self._prefix = prefix
        self._address = address
        self._process: subprocess.Popen[str] | None = None

    def url(self, path: str = "/test", *, user: str = "", password: str = "") -> str:
        """Its address, with credentials when given."""
        userinfo = f"{user}:{password}@" if user else ""
        return f"rtsp://{userinfo}{self._address}:{self.port}{path}"

    def start(self, *options: str) -> None:
        """Start it, again on the port it had, and wait until it is ready."""
        command = [
            *self._prefix,
            PYTHON,
            str(_MAIN),
            "--address",
            self._address,
            "--port",
            str(self.port),
            "--auth",
            self._auth,
        ]
        command += ["--user", USER, "--password", PASSWORD, *self._options, *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("READY"), f"the RTSP server did not start: {line!r}"
        self.port = int(line.split()[1])

    def send(self, number: signal.Signals) -> None:
        """SIGSTOP freezes it, SIGCONT lets it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait. May be called twice."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(number)
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def kill(self) -> None:
        """As a power cut would: no goodbye."""
        self.stop(signal.SIGKILL)


StartServer = Callable[..., RtspServer]


@pytest.fixture
def rtsp_server() -> Iterator[StartServer]:
    """Starts servers: ``rtsp_server("--size", "640x360", auth="digest")``; they end with the test."""
    if reason := why_not():
        pytest.skip(reason)
    servers: list[RtspServer] = []

    def start(*options: str, auth: str = "none", prefix: tuple[str, ...] = (), address: str = "127.0.0.1") -> RtspServer:
        server = RtspServer(*options, auth=auth, prefix=prefix, address=address)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()
