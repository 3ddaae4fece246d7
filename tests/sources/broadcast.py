"""Streams over HTTP for tests: clips made on the spot, served by a small server in this process."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import av

from streamer.frame import plane_views

Codec = Literal["libx264", "mjpeg"]
Answer = Callable[[BaseHTTPRequestHandler], None]


def clip(
    frames: int = 25, *, begin: int = 0, size: tuple[int, int] = (64, 48), container: str = "mpegts", codec: Codec = "libx264"
) -> bytes:
    """A clip whose frame ``i`` has the luma 16 + 4 i and the time stamp ``begin`` + i, at 25 a second."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if codec == "libx264":
            stream.options = {"tune": "zerolatency", "preset": "ultrafast", "g": "10"}
        for index in range(frames):
            picture = av.VideoFrame(*size, stream.pix_fmt)
            for plane, value in zip(plane_views(picture), (16 + 4 * index, 128, 128), strict=True):
                plane.fill(value)
            picture.pts = begin + index
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
    return file.getvalue()


def send(request: BaseHTTPRequestHandler, data: bytes, kind: str, *, length: bool = False) -> None:
    """Answer with ``data`` and, with ``length``, say before how much it is."""
    request.send_response(200)
    request.send_header("Content-Type", kind)
    request.send_header("Connection", "close")
    if length:
        request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """A server whose every GET is given to ``answer``, in a thread for each; yields its address without a path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer(self)
            except (BrokenPipeError, ConnectionResetError):
                # The other side has gone: what the tests are about.
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the overridden method's name for it
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="http server")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
