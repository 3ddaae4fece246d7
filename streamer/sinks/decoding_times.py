"""Decoding times of the last packets of an encoder, mended where it leaves them out."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.packet import Packet

_LONGEST_DELAY_S = 60


def with_true_dts(packets: list[Packet[Any]], time_base: Fraction) -> list[Packet[Any]]:
    """The last packets of an encoder, with decoding times that are true.

    x265 leaves them uninitialised when there were fewer frames than it looks ahead. The times of presentation in order,
    all as much earlier as the order of decoding needs, are what it would have given.
    """
    pts = [packet.pts for packet in packets if packet.pts is not None]
    if len(pts) < len(packets):
        return packets
    limit = _LONGEST_DELAY_S / time_base
    if all(packet.dts is not None and 0 <= shown - packet.dts <= limit for packet, shown in zip(packets, pts, strict=True)):
        return packets
    in_order = sorted(pts)
    delay = max(earliest - shown for earliest, shown in zip(in_order, pts, strict=True))
    for packet, earliest in zip(packets, in_order, strict=True):
        packet.dts = earliest - delay
    return packets
