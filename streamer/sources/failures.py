"""What went wrong with a live source, in the words of the person who has to mend it."""

from __future__ import annotations

import errno

import av.error

from streamer.errors import SourceAuthFailed, SourceError, SourceLost, SourceTimeout, SourceUnavailable, SourceUnsupported
from streamer.redact import redact
from streamer.runtime import tls
from streamer.sources.address import Address, Kind
from streamer.sources.opening import distrusted, opening_error

_UNREACHABLE = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EIO, errno.ECONNRESET, errno.EPIPE})


def connect_failure(address: Address, error: Exception) -> SourceError:
    """The ``SourceError`` for what FFmpeg or the system answered when ``address`` was opened. Holds no credentials."""
    if isinstance(error, SourceError):
        return error
    name, number, said = address.name, getattr(error, "errno", None), _said(error)
    if address.kind is Kind.CAMERA:
        return _camera_failure(name, number, said)
    if address.kind is Kind.DEVICE:
        return SourceUnavailable(f"{name} cannot be opened ({said})", hint="is it there, and may this user open it?")
    if address.kind is Kind.GENERATOR:
        return SourceUnsupported(f"{name} is no filter graph ({said})", hint="try it with ffplay -f lavfi")
    if number == errno.EIO and (why := tls.distrusted(address.url)):
        return distrusted(name, why)
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return SourceAuthFailed(f"{name} refuses user or password", hint="check the credentials in the address")
    if isinstance(error, av.error.HTTPNotFoundError):
        return SourceUnavailable(
            f"{name} is not found there (404)", hint="check the path: the server answers, but knows no such stream"
        )
    if isinstance(error, av.error.HTTPError | av.error.HTTPClientError):
        return SourceUnavailable(f"{name} is refused by the server ({said})", hint="check the address and the server's log")
    if isinstance(error, av.error.ExitError | TimeoutError):
        return SourceTimeout(f"{name} does not answer in time", hint="check the address and the network")
    if number == errno.ECONNREFUSED:
        return SourceUnavailable(f"{name} refuses the connection", hint="is the server running, and is the port right?")
    if number in _UNREACHABLE:
        return SourceUnavailable(f"{name} cannot be reached ({said})", hint="check host name, port and network")
    if isinstance(error, av.error.InvalidDataError):
        return SourceUnsupported(f"{name} sends no video that can be read", hint="does it play elsewhere, with ffplay?")
    return opening_error(address.name, error)


def _camera_failure(name: str, number: int | None, said: str) -> SourceError:
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return SourceUnavailable(f"there is no {name}", hint="is it plugged in? v4l2-ctl --list-devices lists what is there")
    if number == errno.EBUSY:
        return SourceUnavailable(f"{name} is busy", hint="another program uses it: close that first")
    if number in (errno.EACCES, errno.EPERM):
        return SourceUnavailable(f"{name} may not be opened (permission denied)", hint="add this user to the group video")
    if number in (errno.ENOTTY, errno.EINVAL):
        return SourceUnsupported(f"{name} is no camera, or not with these options ({said})", hint="check size and frame rate")
    return SourceUnavailable(f"{name} cannot be opened ({said})", hint="is it a camera that works elsewhere?")


def read_failure(address: Address, error: Exception) -> SourceError:
    """The ``SourceError`` for a failure of a connection that was open. Holds no credentials."""
    if isinstance(error, SourceError):
        return error
    if isinstance(error, av.error.ExitError | TimeoutError):
        return silent(address)
    return SourceLost(f"{address.name} broke off ({_said(error)})", hint="check the network and the camera")


def silent(address: Address) -> SourceTimeout:
    """Nothing comes any more, and no error either."""
    return SourceTimeout(f"{address.name} went silent", hint="check the network and the camera")


def ended(address: Address) -> SourceLost:
    """The other side ended the stream."""
    return SourceLost(f"{address.name} ended the stream", hint="check the server or the camera")


def pictureless(address: Address) -> SourceTimeout:
    """Data come, but no whole picture."""
    return SourceTimeout(
        f"{address.name} sends data, but no whole picture", hint="check its network for loss, and its key frame interval"
    )


def _said(error: Exception) -> str:
    return " ".join(redact(str(getattr(error, "strerror", None) or error)).split())
