"""The right kind of source for a SOURCE argument."""

from __future__ import annotations

from collections.abc import Callable

from streamer.errors import SourceError
from streamer.sources.address import Address, Kind, parse_address
from streamer.stages import Source

_PROBE_TIMEOUT_S = 5.0


def make_source(
    address: Address | str,
    *,
    live: bool | None = None,
    loop: bool = False,
    make_live: Callable[[Address], Source] | None = None,
) -> Source:
    """The source for ``address``, not yet open: a recording, a recording played in real time, or a live one that reconnects.

    ``live`` overrides the guess; ``loop`` plays a recording in real time again and again; the test scene, live, never ends.
    ``make_live`` makes the live ones (``LiveSource`` with its defaults). May ask an ``http`` server whether what it has is
    finite. Raises ``ConfigError``.
    """
    if isinstance(address, str):
        address = parse_address(address)
    if address.kind is Kind.TEST:
        return _test_scene(address, realtime=live is not False)
    if address.kind is Kind.FILE:
        return _realtime(address, loop=loop) if live else _recording(address)
    if not (is_live(address) if live is None else live):
        return _recording(address)
    if make_live is not None:
        return make_live(address)
    from streamer.sources.live import LiveSource

    return LiveSource(address)


def is_live(address: Address) -> bool:
    """Whether frames of ``address`` come at the camera's pace.

    An ``http`` address is opened to see: what has a duration (a file, a finite HLS list) is a recording. One that cannot be
    opened now counts as live: the error shows when it is opened for good.
    """
    if address.live is not None:
        return address.live
    from streamer.sources.opening import open_container

    try:
        with open_container(address.url, open_timeout_s=_PROBE_TIMEOUT_S, read_timeout_s=_PROBE_TIMEOUT_S) as container:
            return container.duration is None
    except SourceError:
        return True


def _recording(address: Address) -> Source:
    from streamer.sources.video import VideoFile

    return VideoFile(address.url)


def _realtime(address: Address, *, loop: bool) -> Source:
    from streamer.sources.playback import RealtimePlayback

    return RealtimePlayback(lambda: _recording(address), loop=loop)


def _test_scene(address: Address, *, realtime: bool) -> Source:
    from streamer.sources.playback import RealtimePlayback
    from streamer.sources.synthetic import Synthetic

    return RealtimePlayback(lambda: Synthetic(name=address.name), loop=True) if realtime else Synthetic(name=address.name)
