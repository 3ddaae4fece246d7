"""Pieces of pictures as FFmpeg's RTP reader hands them out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from av.packet import Packet

from streamer.sources.access_units import AccessUnits

_SAME_TICKS = 90
"""A millisecond: no two pictures are closer."""


def same_picture(before: int | None, pts: int | None) -> int | None:
    """The time stamp of a piece of an RTP picture: that of the piece before, if they are of one picture.

    A sender report that comes between two pieces of a picture may move FFmpeg's time stamps by a tick.
    """
    if before is None or pts is None or abs(pts - before) > _SAME_TICKS:
        return pts
    return before


def whole_packets(units: AccessUnits | None, packet: Packet[Any]) -> Iterator[Packet[Any]]:
    """The pictures that are whole with this packet, still encoded, for the decoder: as soon as can be."""
    if units is None:
        yield packet
        return
    for unit in units.push(bytes(packet), packet.pts) if packet.size else units.flush():
        whole = Packet(unit.data)
        whole.pts, whole.time_base = unit.pts, packet.time_base
        yield whole
