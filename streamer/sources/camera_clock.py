"""When pictures were taken by the camera's own clock, which RTSP tells now and then."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

from av.packet import Packet

_HEAR_S = 1.0
"""Seconds between two times that it is listened to: clocks drift slowly, and asking each packet costs more than all else."""
MOST_WRONG_S = 30.0
"""A camera whose clock is further from ours than this has none that is set: the time of arrival is nearer the truth."""


class CameraClock:
    """Maps the time stamps of one connection to seconds since 1970. Pure: the time of arrival is passed in.

    RTCP sender reports join both; FFmpeg hands on what they say with the packets after the first report, which comes a second
    or two after the first packet. A time stamp that jumps makes the mapping invalid until the next such packet.
    """

    def __init__(self) -> None:
        self.off_s: float | None = None
        """By how much the camera's clock was ahead of ours when it was last told; None before."""
        self._heard: dict[int, float] = {}
        self._known: dict[Fraction, tuple[int, float]] = {}
        """By time base (streams have their own): a time stamp and its UTC."""

    def hear(self, packet: Packet[Any], arrived_utc_s: float) -> None:
        """Note what ``packet`` says of the time."""
        index, pts = packet.stream_index, packet.pts
        if abs(arrived_utc_s - self._heard.get(index, 0.0)) < _HEAR_S or pts is None or not packet.has_sidedata("prft"):
            return
        self._heard[index] = arrived_utc_s
        (micros,) = struct.unpack_from("<q", bytes(packet.get_sidedata("prft")))
        self.note(pts, packet.time_base, micros / 1e6, arrived_utc_s)

    def note(self, pts: int, time_base: Fraction, utc_s: float, arrived_utc_s: float) -> None:
        """``pts`` is the picture that was taken at ``utc_s``; it came at ``arrived_utc_s`` by our clock."""
        self.off_s = utc_s - arrived_utc_s
        self._known[time_base] = (pts, utc_s)

    def at(self, pts: int | None, time_base: Fraction | None, arrived_utc_s: float) -> tuple[float, bool]:
        """When the picture with that time stamp was taken, and whether that is by the camera's clock."""
        if pts is None or time_base is None or (known := self._known.get(time_base)) is None:
            return arrived_utc_s, False
        utc_s = known[1] + float((pts - known[0]) * time_base)
        if abs(utc_s - arrived_utc_s) > MOST_WRONG_S:
            return arrived_utc_s, False
        return utc_s, True
