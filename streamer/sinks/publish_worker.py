"""The process that holds the connection of one published stream. Run as a file, by ``publish_process``; imports only PyAV.

Why a process: PyAV keeps Python's global lock while FFmpeg connects for writing (``avformat_write_header``), and FFmpeg's
writers have no interrupter. In the main process a server that accepts and then says nothing would freeze every camera for
the length of the timeout. A process can be killed at any moment, and its sockets go with it.

Standard input: a request (JSON), then packets, each behind its head. Standard output: a dot for each packet sent, and
one JSON line when it fails. The address comes by standard input since a command line is there for all to read.
"""

from __future__ import annotations

import json
import signal
import socket
import ssl
import struct
import sys
from fractions import Fraction
from typing import BinaryIO, TypedDict

import av

REQUEST_HEAD = struct.Struct("!I")
"""Length of the JSON that follows, in bytes."""
PACKET_HEAD = struct.Struct("!Iqq?")
"""Length of the packet that follows, pts and dts in ticks of 1/90000 s, whether it is a key frame."""
TIME_BASE = Fraction(1, 90_000)
SENT = "."
"""Said for each packet that FFmpeg has taken; for the first one it means that the connection stands."""
GOODBYE_S = 1
"""Most seconds that saying goodbye may take."""


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    """``size`` bytes. Raises ``EOFError`` when there are less."""
    data = stream.read(size)
    if data is None or len(data) < size:
        raise EOFError
    return data


class Request(TypedDict):
    """What to connect to, and what will be sent there."""

    url: str
    format: str
    """FFmpeg's name of the muxer."""
    options: dict[str, str]
    """For the muxer."""
    width: int
    height: int
    trust: tuple[str, int, str] | None
    """Host and port of the server whose certificate is checked, and the file of those that are trusted."""
    timeout_s: int
    """The longest that one call of FFmpeg may take."""


def check_certificate(host: str, port: int, ca_file: str) -> None:
    """Raise ``ssl.SSLCertVerificationError`` unless the server shows a certificate that ``ca_file`` makes trusted.

    In a connection of its own: PyAV hands no options for TLS to FFmpeg when it writes to RTMP, and of RTSP only an
    input/output error comes back.
    """
    with socket.create_connection((host, port)) as connection:
        ssl.create_default_context(cafile=ca_file).wrap_socket(connection, server_hostname=host).close()


def serve(requests: BinaryIO, request: Request) -> None:
    """Connect with the first packet, and send on what comes, until nothing comes any more.

    Every call that may block has an alarm set: without a handler, SIGALRM ends the process, whatever FFmpeg waits for.
    """
    signal.alarm(request["timeout_s"])
    if request["trust"] is not None:
        check_certificate(*request["trust"])
    signal.alarm(0)
    container = av.open(request["url"], "w", format=request["format"], options=request["options"])
    stream = container.add_mux_stream("h264", width=request["width"], height=request["height"])
    stream.time_base = TIME_BASE
    while True:
        try:
            size, pts, dts, key = PACKET_HEAD.unpack(read_exactly(requests, PACKET_HEAD.size))
            packet = av.Packet(read_exactly(requests, size))
        except EOFError:
            break
        packet.stream, packet.time_base, packet.pts, packet.dts, packet.is_keyframe = stream, TIME_BASE, pts, dts, key
        signal.alarm(request["timeout_s"])
        container.mux_one(packet)
        signal.alarm(0)
        print(SENT, end="", flush=True)
    signal.alarm(GOODBYE_S)
    container.close()


def main() -> int:
    """Serve one request; 0 when it ended as asked."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    requests = sys.stdin.buffer
    try:
        (size,) = REQUEST_HEAD.unpack(read_exactly(requests, REQUEST_HEAD.size))
        serve(requests, json.loads(read_exactly(requests, size)))
    except Exception as error:  # noqa: BLE001  # the other process is told, and speaks to people
        print(json.dumps({"failed": type(error).__name__, "text": str(error)}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
