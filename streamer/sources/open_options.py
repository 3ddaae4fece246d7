"""FFmpeg's options for opening a live source."""

from __future__ import annotations

from typing import Literal

from streamer.runtime import tls
from streamer.sources.address import Address, Kind

Transport = Literal["auto", "tcp", "udp"]

HTTP = frozenset({"http", "https"})
RTSP = frozenset({"rtsp", "rtsps"})


def open_options(address: Address, transport: Transport, *, patient: bool = False, sound: bool = False) -> dict[str, str]:
    """FFmpeg's options for opening ``address`` with little delay, or with its usual care if ``patient``.

    RTSP says in its description what comes, so nothing is probed, nor are its packets parsed unless ``patient``: see
    :class:`~streamer.sources.access_units.AccessUnits`. Other formats show in their first packets what they hold. Never
    "nobuffer": it throws away what was read for probing, and with it the first key frame. ``sound`` asks for sound as well.
    """
    options: dict[str, str] = {}
    if address.scheme in RTSP:
        options |= {"probesize": "32", "analyzeduration": "0", "allowed_media_types": "video+audio" if sound else "video"}
        options |= {} if patient else {"fflags": "noparse+nofillin"}
        # TCP first: on a healthy network it is as quick as UDP, it loses nothing, and it passes through firewalls, where
        # UDP would show as silence only. FFmpeg goes on to UDP where the server refuses TCP.
        options |= {"rtsp_flags": "prefer_tcp"} if transport == "auto" else {"rtsp_transport": transport}
    elif address.kind is Kind.NETWORK:
        options |= {} if patient else {"probesize": "500000", "analyzeduration": "100000"}
        # The newest segment of an HLS list; the playback clock falls behind for a late one as far as needed, once.
        options |= {"live_start_index": "-1"} if address.scheme in HTTP else {}
        options |= {"overrun_nonfatal": "1"} if address.scheme == "udp" else {}
    return {**options, **tls.options(address.url), **address.options}
