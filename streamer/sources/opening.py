"""Opening a container: what FFmpeg says about it, in the words of the person who has to mend it."""

from __future__ import annotations

import errno
import os
import re
import stat

import av
import av.error
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from streamer.errors import (
    SourceAuthFailed,
    SourceError,
    SourceLost,
    SourceNotFound,
    SourceTimeout,
    SourceUnavailable,
    SourceUnsupported,
)
from streamer.redact import redact, remember
from streamer.runtime import pyav, tls
from streamer.sources.boxes import missing_index
from streamer.sources.webp import animated_webp

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
# FFmpeg plays text files as pictures of text; nobody who names a .txt here wants that.
_TEXT_ART = frozenset({"tty", "bin", "xbin", "adf", "idf"})


def is_url(path: str) -> bool:
    """Whether ``path`` is an address (``rtsp://…``, ``pipe:0``) and no file of this machine."""
    # os.path: a Path raises where an address is longer than a file's name may be.
    return _SCHEME.match(path) is not None and not os.path.exists(path)  # noqa: PTH110


def shown(path: str) -> str:
    """``path`` for people: without credentials, and in UTF-8: bytes of a name that are not are written as ``\\xNN``."""
    return redact(path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def is_picture(container: InputContainer) -> bool:
    """Whether it is a still picture's file (jpg, png, webp, avif), no video.

    True also for pictures one after the other without a container (``.mjpeg``): only a second picture tells.
    """
    return container.format.name == "image2" or is_picture_stream(container) or is_heif(container)


def is_picture_stream(container: InputContainer) -> bool:
    """Whether it is picture after picture with nothing around them; it may be a single one."""
    return container.format.name.endswith("_pipe")


def is_heif(container: InputContainer) -> bool:
    """Whether it is a photo in an ISO base media file (AVIF, HEIC), no sequence of them."""
    brand = container.metadata.get("major_brand", "")
    if brand in ("mif1", "heic"):
        # Both may also begin a sequence of pictures, which is a track with a duration.
        return all(stream.frames <= 1 for stream in container.streams.video)
    return brand in ("avif", "heix", "heim", "heis", "mif2", "avci")


def open_container(
    path: str,
    *,
    open_timeout_s: float = 10.0,
    read_timeout_s: float = 30.0,
    hwaccel: HWAccel | None = None,
    undecoded: int | None = None,
) -> InputContainer:
    """Open ``path`` for demuxing, and for decoding on ``hwaccel``. Raises the ``SourceError`` that tells what is wrong with it.

    The time limits hold for addresses only: a file on a disk that has to spin up is no dead peer. ``undecoded`` is the index
    of a stream of a file of which nothing need be decoded to know it better.
    """
    remember(path)
    try:
        if is_url(path):
            timeout = (open_timeout_s, read_timeout_s)
            return _refuse_text(
                av.open(path, "r", options=tls.options(path), timeout=timeout, hwaccel=hwaccel, **pyav.READ), path
            )
        _check_file(path)
        if (animation := animated_webp(path)) is not None:
            return av.open(animation, "r")
        # "file:" because a name with a colon would be taken for a protocol; no patterns, or holiday%d.jpg is a sequence.
        options = {"pattern_type": "none"}
        spared = pyav.undecoded(undecoded)
        container = av.open(f"file:{path}", "r", options=options, hwaccel=hwaccel, **spared, **pyav.READ)
        return _refuse_text(container, path)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise opening_error(path, error) from error


def _refuse_text(container: InputContainer, path: str) -> InputContainer:
    if container.format.name in _TEXT_ART:
        container.close()
        raise SourceUnsupported(f"{shown(path)} is a text file", hint="give a video or a picture")
    return container


def _check_file(path: str) -> None:
    """Say what is wrong with the file itself before FFmpeg says "Invalid data"."""
    try:
        found = os.stat(path)  # noqa: PTH116  # the path as given: a Path would drop a trailing slash
    except FileNotFoundError as error:
        raise SourceNotFound(f"there is no file {path}", hint="check the name and the folder") from error
    if stat.S_ISDIR(found.st_mode):
        raise SourceNotFound(f"{path} is a folder", hint="name one file in it")
    if not stat.S_ISREG(found.st_mode):
        return
    with open(path, "rb"):  # noqa: PTH123  # as above
        pass
    if found.st_size == 0:
        raise SourceUnsupported(f"{path} is empty (0 bytes)", hint="was the recording or the copy interrupted?")


def opening_error(path: str, error: Exception) -> SourceError:
    """The ``SourceError`` for what FFmpeg or the system answered when ``path`` was opened."""
    name = shown(path)
    number = getattr(error, "errno", None)
    reason = " ".join(redact(str(getattr(error, "strerror", None) or error)).split())
    if isinstance(error, SourceError):
        return error
    if number == errno.EIO and (why := tls.distrusted(path)):
        return distrusted(name, why)
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return SourceAuthFailed(f"{name} refuses user or password", hint="check the credentials in the address")
    if isinstance(error, av.error.HTTPClientError | av.error.HTTPServerError):
        return SourceUnavailable(f"{name} cannot be had ({reason})", hint="check the address")
    if number == errno.ENAMETOOLONG:
        return SourceNotFound(f"{name} is longer than a file's name may be", hint="check the name")
    if isinstance(error, FileNotFoundError):
        return SourceNotFound(f"there is no {name}", hint="check the name and the folder")
    if isinstance(error, PermissionError) or number in (errno.EACCES, errno.EPERM):
        return SourceUnavailable(f"{name} may not be read (permission denied)", hint="check who may read it: ls -l")
    if isinstance(error, av.error.ExitError | TimeoutError):
        return SourceTimeout(f"{name} does not answer in time", hint="check the address and the network")
    if isinstance(error, av.error.ProtocolNotFoundError):
        return SourceUnsupported(f"{name} has a scheme that is not known here", hint="give a file, http(s), rtsp or rtmp")
    if isinstance(error, av.error.InvalidDataError) and (unfinished := unfinished_error(path)) is not None:
        return unfinished
    if isinstance(
        error, av.error.InvalidDataError | av.error.DemuxerNotFoundError | av.error.DecoderNotFoundError | ValueError
    ):
        return SourceUnsupported(f"{name} is no video or picture that can be read ({reason})", hint="does it play elsewhere?")
    return SourceUnavailable(f"{name} cannot be opened ({reason})", hint="check the file or the address")


def unfinished_error(path: str) -> SourceUnsupported | None:
    """The error for an MP4 or MOV file that lacks its index, or a part of it; None for any other."""
    missing = None if is_url(path) else missing_index(path)
    if missing is None:
        return None
    return SourceUnsupported(f"{shown(path)} {missing}", hint="copy it again, or rebuild it with a tool such as untrunc")


def distrusted(name: str, why: str) -> SourceUnavailable:
    """The error for a server whose certificate is not trusted."""
    return SourceUnavailable(
        f"{name} shows a certificate that is not trusted ({why})",
        hint="to trust it: SSL_CERT_FILE=certificate.pem streamer …; to check nothing: --insecure",
    )


def reading_error(path: str, error: Exception) -> SourceError:
    """The ``SourceError`` for a failure in the middle of ``path``."""
    reason = " ".join(redact(str(getattr(error, "strerror", None) or error)).split())
    if isinstance(error, av.error.ExitError | TimeoutError):
        return SourceTimeout(f"{shown(path)} went silent", hint="check the network and try again")
    return SourceLost(f"{shown(path)} cannot be read any further ({reason})", hint="check the disk or the network")
