"""FFmpeg, the network protocols, the window, the fonts, the disk."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from streamer.doctor.finding import Finding, broken, missing, ok

LEAST_FREE_BYTES = 2_000_000_000
"""Less free space than this is spoken of."""
_OPENING = {"rtsp": b"OPTIONS ", "rtmp": b"\x03", "http": b"GET ", "https": b"\x16"}
"""What a client sends first."""
_WAIT_S = 3.0


def ffmpeg() -> Iterable[Finding]:
    """Whether PyAV's FFmpeg encodes."""
    import av

    from streamer.sinks.encoders import available_encoders, opens

    names = [name for name in available_encoders() if not name.endswith("_nvenc")]
    version = ".".join(map(str, av.library_versions["libavcodec"]))
    if opens("libx264"):
        yield ok("FFmpeg", f"PyAV {av.__version__}, libavcodec {version}; encoders {', '.join(names)}")
    else:
        yield broken("FFmpeg", f"PyAV {av.__version__} does not open libx264", "pip install --force-reinstall av", needed=True)


def protocols() -> Iterable[Finding]:
    """Whether FFmpeg speaks the protocols of cameras: each is tried on a socket of this machine, without a network."""
    speaks = {name: _speaks(name, opening) for name, opening in _OPENING.items()}
    silent = [name for name, spoken in speaks.items() if not spoken]
    if silent:
        yield broken("protocols", f"FFmpeg does not speak {', '.join(silent)}", "pip install --force-reinstall av")
    else:
        yield ok("protocols", f"FFmpeg speaks {', '.join(speaks)}")


def _speaks(scheme: str, opening: bytes) -> bool:
    import av
    import av.error

    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(_WAIT_S)

        def answer() -> None:
            with suppress(OSError):  # nobody came: the protocol is unknown
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(_WAIT_S)
                    received.append(connection.recv(64))

        listening = threading.Thread(target=answer, name="doctor", daemon=True)
        listening.start()
        with suppress(av.error.FFmpegError, OSError, ValueError):  # nothing is there to be read: what it sent counts
            options = {"rtsp_transport": "tcp"} if scheme == "rtsp" else {}
            av.open(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/x", timeout=_WAIT_S, options=options).close()
        if not received:
            with suppress(OSError):  # wakes the thread where FFmpeg never came
                socket.create_connection(server.getsockname(), timeout=_WAIT_S).close()
        listening.join(_WAIT_S)
    return bool(received and received[0].startswith(opening))


def window(environ: Mapping[str, str] = os.environ) -> Iterable[Finding]:
    """Whether a window can be shown."""
    from streamer.errors import OutputRefused
    from streamer.sinks.display import check_display

    try:
        check_display(environ).release()
    except OutputRefused as error:
        yield missing("window", error.message, error.hint)
    else:
        yield ok("window", f"on the display {environ.get('DISPLAY', '')}".rstrip())


def font() -> Iterable[Finding]:
    """Whether labels can be written."""
    import cv2

    cv2.FontFace("sans")
    yield ok("font", f"in OpenCV {cv2.__version__}")


def disk(folder: Path | None = None, cache: Path | None = None, least_free: int = LEAST_FREE_BYTES) -> Iterable[Finding]:
    """Space in the current folder, and whether the folders of models and of temporary files can be written to."""
    from streamer.detectors import hub_cache

    folder = folder or Path.cwd()
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free in {folder}"
    yield ok("disk", text) if free >= least_free else broken("disk", text, "free some space, or write elsewhere")
    for name, place in (("model cache", cache or hub_cache.root()), ("temporary files", Path(tempfile.gettempdir()))):
        if reason := _not_writable(place):
            remedy = "name another folder in TFHUB_CACHE_DIR" if name == "model cache" else "name another folder in TMPDIR"
            yield broken(name, f"{place} cannot be written to: {reason}", remedy)
        else:
            yield ok(name, str(place))


def _not_writable(folder: Path) -> str:
    """Why nothing can be written there; a folder that is not there yet is judged by the nearest one that is."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return ""
    except OSError as error:
        return error.strerror or str(error)
