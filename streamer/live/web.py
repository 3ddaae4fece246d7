"""The cameras of a run for browsers."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from streamer.config.live import CameraConfig, ProcessOptions
from streamer.config.web import WebOptions
from streamer.errors import ConfigError
from streamer.live.place_editor import PlaceEditor
from streamer.live.service import Deliveries, service
from streamer.live.status import CameraStatus
from streamer.perception.privacy import privacy_in_words
from streamer.web.access import Access
from streamer.web.address import is_loopback, parse_endpoint, url_of
from streamer.web.event_library import EventCamera
from streamer.web.footage import FootageCamera
from streamer.web.ice import IceServers
from streamer.web.server import WebServer
from streamer.web.wall import Wall, wall_app
from streamer.web.whep import NOT_INSTALLED, is_installed

log = logging.getLogger(__name__)


@contextmanager
def shown_in_browsers(
    cameras: Mapping[str, CameraConfig],
    process: ProcessOptions,
    statuses: Callable[[], Sequence[CameraStatus]],
    deliveries: Deliveries,
    tell: Callable[[str], None],
    places: PlaceEditor,
) -> Iterator[Wall]:
    """Serve the wall; ``tell`` shows a token that was made, once.

    Raises ``ConfigError`` for an address or a certificate that cannot be used.
    """
    assert process.web is not None
    access = access_of(process, process.web)
    shown = [name for name, camera in cameras.items() if not camera.only_copied]
    wall = Wall(shown, covered=[name for name in shown if privacy_in_words(cameras[name])])
    told = service(statuses, deliveries)
    events = {name: known for name, camera in cameras.items() if (known := _events_of(camera)) is not None}

    footage = {name: _footage_of(camera) for name, camera in cameras.items()}

    def of_cameras() -> list[Mapping[str, object]]:
        return [status.as_dict() for status in statuses()]

    make_app = partial(wall_app, wall, access, told, of_cameras, events, IceServers.of(process), places, footage)
    if not is_installed():
        log.info("browsers get video by MSE: %s", NOT_INSTALLED)
    try:
        with WebServer(process.web, make_app, tls=tls_of(process)) as server:
            log.info("cameras at %s", server.url)
            if process.web_token is None and access.token is not None:
                # Not in the log, which is kept and sent on.
                tell(f"sign in at {sign_in_url(access, server.port)}")
            yield wall
    finally:
        wall.close()


def _events_of(camera: CameraConfig) -> EventCamera | None:
    """What the pages of events know of a camera; None where it makes none."""
    if camera.events is None:
        return None
    return EventCamera(Path(os.path.realpath(camera.events)), covered=bool(privacy_in_words(camera)), records=camera.detections)


def _footage_of(camera: CameraConfig) -> FootageCamera:
    """Where pages find what was recorded of a camera: what it sends itself, unless something of it must not be seen."""
    covered = bool(privacy_in_words(camera))
    folder = camera.record_annotated if covered or camera.record is None else camera.record
    if folder is not None:
        return FootageCamera(Path(os.path.realpath(folder)))
    if camera.record is not None:
        return FootageCamera(None, "The recordings show what privacy covers: they stay on the machine of streamer.")
    return FootageCamera(None, "Nothing of this camera is recorded: record in the settings does so.")


def access_of(options: WebOptions, address: str) -> Access:
    """Who may see what is served at ``address``: a token is made where one is needed and none was given.

    Raises ``ConfigError`` for an address that is none.
    """
    host, _ = parse_endpoint(address, "web")
    token = options.web_token
    if token is None and (options.web_view_token is not None or not is_loopback(host)):
        token = Access.new_token()
    return Access(
        host=host,
        token=token,
        view_token=options.web_view_token,
        hosts=(*(options.web_hosts or ()), *(() if is_loopback(host) else (socket.gethostname().lower(),))),
        tls=options.tls_cert is not None,
        read_only=options.web_read_only,
    )


def sign_in_url(access: Access, port: int) -> str:
    """The page that signs in whoever opens it: it holds the token."""
    name = access.host if access.host not in ("0.0.0.0", "::") else socket.gethostname()
    return f"{url_of(name, port, tls=access.tls)}/login#token={access.token}"


class Certified(Protocol):
    """The settings of a certificate."""

    @property
    def tls_cert(self) -> Path | None: ...
    @property
    def tls_key(self) -> Path | None: ...


def tls_of(process: Certified) -> ssl.SSLContext | None:
    """The certificate for https; None where there is none. Raises ``ConfigError`` for one that cannot be used."""
    if process.tls_cert is None or process.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(process.tls_cert, process.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the certificate {process.tls_cert} cannot be used with the key {process.tls_key}: {error}",
            hint="both are PEM files; the key must be that of the certificate, and without a password",
        ) from error
    return context
