"""What an ONVIF device has to offer, asked with onvif-zeep-async. An extra: imported when cameras are looked for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streamer.discovery.answers import Answer, at_host, plain
from streamer.discovery.cameras import FoundCamera, Profile

_quiet = logging.NullHandler()
logging.getLogger().addHandler(_quiet)  # else the import below would set up logging for the whole process
import onvif  # noqa: E402
from aiohttp import ClientError, ClientPayloadError  # noqa: E402
from onvif.client import ONVIFService  # noqa: E402
from onvif.definition import SERVICES  # noqa: E402
from onvif.util import is_auth_error  # noqa: E402
from zeep.exceptions import Error as SoapError  # noqa: E402
from zeep.exceptions import Fault, TransportError  # noqa: E402

logging.getLogger().removeHandler(_quiet)
for _chatty in ("zeep", "onvif"):
    logging.getLogger(_chatty).setLevel(logging.CRITICAL)  # what a device does wrong stands in `problem`

_WSDL = Path(onvif.__file__).parent / "wsdl"
_LARGEST = 4 * 2**20
_AT_ONCE = 16
_DEVICE_S = 10.0
_MOST_PROFILES = 256
"""A recorder with 64 channels has about 128."""


def describe(answers: Sequence[Answer], user: str | None, password: str | None) -> list[FoundCamera]:
    """Ask each device for its profiles, and for the addresses of its streams where there is a ``user``; takes 10 s at most
    for 16 of them. What goes wrong with one stands in its ``problem``."""
    return asyncio.run(_describe_all(answers, user, password))


async def _describe_all(answers: Sequence[Answer], user: str | None, password: str | None) -> list[FoundCamera]:
    for kind in ("devicemgmt", "media"):
        async with _service(kind, "http://localhost", None, None):
            pass  # its description is read once, before the time of a device runs
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(answer: Answer) -> FoundCamera:
        async with places:
            return await _describe(answer, user, password)

    return list(await asyncio.gather(*(one(answer) for answer in answers)))


async def _describe(answer: Answer, user: str | None, password: str | None) -> FoundCamera:
    refused = False
    profiles: tuple[Profile, ...] = ()
    problem = ""
    try:
        async with asyncio.timeout(_DEVICE_S):
            profiles = await _profiles(answer, user, password)
            problem = "" if profiles else "it has no video profiles"
    except TimeoutError:
        problem = f"it does not answer within {_DEVICE_S:.0f} s"
    except (SoapError, ClientError, OSError) as error:
        refused = _is_refusal(error)
        problem = plain(str(error)) or type(error).__name__
        if refused:
            problem = "it tells its profiles only with --user" if user is None else "user or password refused"
    except Exception as error:  # noqa: BLE001  # zeep reads what a stranger sent: AttributeError, TypeError, ValueError and more
        problem = f"its answer cannot be read: {plain(str(error)) or type(error).__name__}"
    name = answer.name or answer.model or answer.host
    return FoundCamera(name, answer.model, answer.host, answer.service, profiles, problem, refused and user is not None)


def _is_refusal(error: Exception) -> bool:
    return is_auth_error(error) or (isinstance(error, TransportError) and error.status_code in (401, 403))


async def _profiles(answer: Answer, user: str | None, password: str | None) -> tuple[Profile, ...]:
    offset = None
    async with _service("devicemgmt", answer.service, None, None) as device:
        if user is not None:
            offset = await _clock_offset(device)
    async with _service("devicemgmt", answer.service, user, password, offset) as device:
        media_address = at_host(await _media_address(device, known=user is not None), answer.host, ("http", "https"))
    if media_address is None:
        return ()
    async with _service("media", media_address, user, password, offset) as media:
        ask = media.GetProfiles if user is not None else media.authless_GetProfiles
        told = [item for item in await ask() or [] if item.VideoEncoderConfiguration is not None]
        found = [
            _profile(item, await _stream(media, item.token, answer.host) if user is not None else None)
            for item in told[:_MOST_PROFILES]
        ]
    return tuple(sorted(found, key=lambda profile: -profile.width * profile.height))


async def _clock_offset(device: Any) -> timedelta | None:
    """How far the device's clock is ahead of ours: it takes no password whose time is not its own."""
    try:
        told = (await device.authless_GetSystemDateAndTime()).UTCDateTime
        there = datetime(
            told.Date.Year,
            told.Date.Month,
            told.Date.Day,
            told.Time.Hour,
            told.Time.Minute,
            min(told.Time.Second, 59),
            tzinfo=UTC,
        )
    except (SoapError, AttributeError, TypeError, ValueError):
        return None  # it does not say; most clocks are right
    return there - datetime.now(UTC)


async def _media_address(device: Any, *, known: bool) -> str:
    try:
        services = await (device.GetServices if known else device.authless_GetServices)({"IncludeCapability": False})
        addresses = [item.XAddr for item in services or [] if item.Namespace == SERVICES["media"]["ns"]]
        if addresses:
            return str(addresses[0])
    except Fault as error:
        if is_auth_error(error):
            raise
    # Older devices have only this.
    capabilities = await (device.GetCapabilities if known else device.authless_GetCapabilities)({"Category": "Media"})
    return str(capabilities.Media.XAddr)


def _profile(item: Any, address: str | None) -> Profile:
    encoder = item.VideoEncoderConfiguration
    rate = encoder.RateControl.FrameRateLimit if encoder.RateControl is not None else None
    video = item.VideoSourceConfiguration
    return Profile(
        name=plain(str(item.Name or item.token)),
        codec=plain(str(encoder.Encoding)),
        width=max(int(encoder.Resolution.Width), 0),
        height=max(int(encoder.Resolution.Height), 0),
        fps=float(rate) if rate is not None and float(rate) > 0 else None,
        source=plain(str(video.SourceToken)) if video is not None else "",
        address=address,
    )


async def _stream(media: Any, token: str, host: str) -> str | None:
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    told = await media.GetStreamUri({"StreamSetup": setup, "ProfileToken": token})
    return at_host(str(told.Uri).strip(), host, ("rtsp", "rtsps", "http", "https"))


@contextlib.asynccontextmanager
async def _service(
    kind: str, address: str, user: str | None, password: str | None, offset: timedelta | None = None
) -> AsyncIterator[Any]:
    definition = SERVICES[kind]
    binding = f"{{{definition['ns']}}}{definition['binding']}"
    service = ONVIFService(
        address, user, password, str(_WSDL / definition["wsdl"]), no_cache=True, dt_diff=offset, binding_name=binding
    )
    try:
        await service.setup()
        service.transport.session = _BoundedSession(service.transport.session)
        yield service
    finally:
        service.transport.session = getattr(service.transport.session, "session", service.transport.session)
        await service.close()


class _BoundedSession:
    """An HTTP session whose answers are read up to 4 MiB: zeep reads all that a device sends."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    async def post(self, *args: Any, **options: Any) -> _BoundedResponse:
        # Redirected elsewhere, the answer to the password would be sent there.
        return _BoundedResponse(await self.session.post(*args, allow_redirects=False, **options))


class _BoundedResponse:
    def __init__(self, response: Any) -> None:
        self._response = response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    async def read(self) -> bytes:
        body = bytearray()
        async for chunk in self._response.content.iter_any():
            body += chunk
            if len(body) > _LARGEST:
                self._response.close()
                raise ClientPayloadError(f"it answers with more than {_LARGEST // 2**20} MiB")
        return bytes(body)
