"""Whether there is a display to show a window on: asked before OpenCV, which ends the process where there is none."""

from __future__ import annotations

import re
import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import cv2

from streamer.errors import OutputRefused
from streamer.runtime import import_order

_HINT = "run it on a desktop, or leave --show away and use --publish or --record"
_TIMEOUT_S = 3.0
_NAME = re.compile(r"(?:(?P<protocol>[a-z]+)/)?(?P<host>.*):(?P<display>\d+)(?:\.(?P<screen>\d+))?")
_COOKIE = b"MIT-MAGIC-COOKIE-1"


class Screen(NamedTuple):
    """Size in pixels; 0 where it is not known."""

    width: int
    height: int


class Display:
    """A display that answers, held by a connection: an X server that loses its last client starts anew."""

    def __init__(self, screen: Screen, connection: socket.socket | None = None) -> None:
        self.screen = screen
        self._connection = connection

    def release(self) -> None:
        """From any thread, any number of times: the window's own connection stands, or nothing will be shown."""
        if self._connection is not None:
            self._connection.close()


def check_display(environ: Mapping[str, str]) -> Display:
    """The display, and how large its screen is. Raises ``OutputRefused`` when a window cannot be shown, and says why.

    On Linux OpenCV speaks X11 (on a Wayland desktop, to its XWayland), so what is tried is the greeting of that protocol:
    it finds a display that is not there, does not answer, or does not let us in. python-xlib was tried for it: it waits for a
    silent display without end, leaves its socket open when a connection fails, and has had no release since 2022.
    """
    if not cv2.currentUIFramework():
        raise OutputRefused(
            "cannot show a window: this OpenCV has none", hint="install opencv-python, not its headless variant"
        )
    if not import_order.kept():
        raise OutputRefused(
            "cannot show a window: PyAV was imported before OpenCV, whose window hangs then",
            hint="import streamer, or cv2, before av",
        )
    if not sys.platform.startswith("linux"):
        return Display(Screen(0, 0))
    name = environ.get("DISPLAY", "")
    if not name:
        found = "only Wayland, without XWayland" if environ.get("WAYLAND_DISPLAY") else "DISPLAY is not set"
        raise OutputRefused(f"cannot show a window: there is no display ({found})", hint=_HINT)
    try:
        connection = _connect(name)
        try:
            return Display(_greet(connection, *_cookie(name, environ)), connection)
        except BaseException:
            connection.close()
            raise
    except (OSError, EOFError, struct.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OutputRefused(f"cannot show a window: the display {name} does not answer ({reason})", hint=_HINT) from error


def _connect(name: str) -> socket.socket:
    if name.startswith("/"):  # XQuartz: the path of a socket
        return _unix(name)
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise OSError("not the name of a display")
    number = int(parts["display"])
    if parts["host"] in ("", "unix"):
        try:
            return _unix(f"\0/tmp/.X11-unix/X{number}")
        except OSError:
            return _unix(f"/tmp/.X11-unix/X{number}")  # where X11 keeps its sockets, by convention
    return socket.create_connection((parts["host"], 6000 + number), _TIMEOUT_S)


def _unix(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_TIMEOUT_S)
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _greet(connection: socket.socket, kind: bytes, cookie: bytes) -> Screen:
    """X Window System Protocol, version 11, chapter 8: connection setup."""
    head = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(kind), len(cookie))
    connection.sendall(head + _padded(kind) + _padded(cookie))
    status, reason_size, _, _, more = struct.unpack("<BBHHH", _read(connection, 8))
    body = _read(connection, 4 * more)
    if status != 1:
        raise OSError(body[:reason_size].decode("latin-1") or "it refuses us")
    vendor_size, formats = struct.unpack_from("<HxxBB", body, 16)[0], body[21]
    width, height = struct.unpack_from("<HH", body, 32 + vendor_size + -vendor_size % 4 + 8 * formats + 20)
    return Screen(width, height)


def _cookie(name: str, environ: Mapping[str, str]) -> tuple[bytes, bytes]:
    """The proof that lets us in, from the file that the desktop keeps it in; empty where there is none."""
    path = environ.get("XAUTHORITY") or str(Path(environ.get("HOME", "/")) / ".Xauthority")
    number = name.rpartition(":")[2].partition(".")[0].encode()
    try:
        data = Path(path).read_bytes()
    except OSError:
        return b"", b""
    at, best = 0, (b"", b"")
    host = socket.gethostname().encode()
    while at + 2 <= len(data):
        at += 2
        fields = []
        for _ in range(4):
            (size,) = struct.unpack_from("!H", data, at)
            fields.append(data[at + 2 : at + 2 + size])
            at += 2 + size
        address, display, kind, cookie = fields
        if kind == _COOKIE and display in (number, b""):
            if address == host:
                return kind, cookie
            best = best if best[0] else (kind, cookie)
    return best


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError("it closed the connection")
        data += part
    return data
