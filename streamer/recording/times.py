"""When packets are to be shown and decoded: the camera's own times, without jumps."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from streamer.sources.live_timestamps import TIME_BASE
from streamer.sources.packets import CameraPacket, Kind

_TOLERANCE_S = 3.0
"""How much further than the time that passed a time stamp may go on: networks deliver in bunches."""
_WRAPS = (1 << 32, 1 << 33)
"""Where time stamps start again at nought: RTP counts in 32 bits, MPEG in 33."""
_BACK_S = 1.0
"""Pictures further back than this are no reordered ones: the camera's time went back."""


@dataclass(frozen=True, slots=True)
class Times:
    """Ticks of ``TIME_BASE``."""

    pts: int
    dts: int


@dataclass(slots=True)
class _Track:
    offset: int | None = 0
    """What is added to the camera's ticks; None until a packet has any."""
    last: tuple[int, float] | None = None
    """Tick and monotonic seconds of arrival of the packet before."""


class PacketTimes:
    """Places the packets of one connection on one time line: of each stream strictly increasing, their spacing the camera's.

    Both streams are moved alike, so that sound stays with its picture. Where a time stamp is missing, does not increase or
    leaps, the time that passed between the arrivals stands in, and the camera's spacing is followed from there on.
    """

    def __init__(self, rate: Fraction | None) -> None:
        self.jumps = 0
        """Times that the camera's time stamps could not be followed."""
        self._rate_known = rate is not None
        self._frame = round((1 / (rate or Fraction(25))) / TIME_BASE)
        self._tracks: dict[Kind, _Track] = {}
        self._order = _DecodingOrder(0, self._frame)

    def reorder(self, depth: int) -> None:
        """From now on, up to ``depth`` pictures are sent before one that is shown earlier."""
        if depth != self._order.depth:
            self._order = _DecodingOrder(depth, self._frame)

    def place(self, packet: CameraPacket) -> Times:
        """Where the next packet stands."""
        if packet.pts is None:
            out = self._placed(packet.kind, None, packet.arrived_s)
            return Times(out, out)
        shown = _ticks(packet.pts, packet.time_base)
        if packet.dts is not None:
            decoded = _ticks(packet.dts, packet.time_base)
        else:
            decoded = self._order.decoded(shown) if packet.kind == "video" else shown
        out = self._placed(packet.kind, decoded, packet.arrived_s)
        return Times(out + max(0, shown - decoded), out)

    def _placed(self, kind: Kind, raw: int | None, arrived_s: float) -> int:
        track = self._tracks.get(kind)
        if track is None:
            track = self._tracks[kind] = self._begin(raw, arrived_s)
        out = self._followed(track, raw, arrived_s)
        if out is None:
            assert track.last is not None
            passed = max(1, round((arrived_s - track.last[1]) / TIME_BASE))
            if kind == "video" and track.offset is None and raw is not None and self._rate_known:
                passed = self._frame  # RTSP's first picture has no time stamp, and what connecting took is between the arrivals
            out = track.last[0] + passed
            if raw is not None:
                self.jumps += track.offset is not None
                track.offset = out - raw
        track.last = (out, arrived_s)
        return out

    def _begin(self, raw: int | None, arrived_s: float) -> _Track:
        """A stream's first packet: at nought, or where the other stream's time puts it."""
        other = next(iter(self._tracks.values()), None)
        if other is None or other.last is None:
            return _Track(offset=None if raw is None else -raw)
        expected = other.last[0] + round((arrived_s - other.last[1]) / TIME_BASE)
        if raw is None:
            return _Track(offset=None, last=(expected - 1, arrived_s))
        if other.offset is not None and abs(raw + other.offset - expected) * TIME_BASE <= _TOLERANCE_S:
            return _Track(offset=other.offset)
        return _Track(offset=expected - raw)

    def _followed(self, track: _Track, raw: int | None, arrived_s: float) -> int | None:
        """Where the camera's own spacing puts a packet, or None if that cannot be believed."""
        if track.last is None:
            return (track.offset or 0) + (raw or 0)
        if raw is None:
            return None
        for offset in self._offsets(track):
            step_s = (raw + offset - track.last[0]) / TIME_BASE.denominator
            if 0 < step_s <= max(0.0, arrived_s - track.last[1]) + _TOLERANCE_S:
                track.offset = offset
                return raw + offset
        return None

    def _offsets(self, track: _Track) -> Iterator[int]:
        """The present one, that of the other stream, which may have jumped before, and those after a wrap."""
        if track.offset is not None:
            yield track.offset
            yield from (track.offset + wrap for wrap in _WRAPS)
        yield from (each.offset for each in self._tracks.values() if each is not track and each.offset is not None)


@dataclass(slots=True)
class _DecodingOrder:
    """Times of decoding for pictures that come in that order, with times of presentation only.

    They are the times of presentation in order, ``depth`` pictures later; the first ones are made up before the first picture.
    """

    depth: int
    frame: int
    _waiting: list[int] = field(default_factory=list)
    _last: int | None = None

    def decoded(self, shown: int) -> int:
        """When the next picture, shown at that tick, is to be decoded."""
        if self.depth == 0:
            return shown
        if self._last is None or shown < self._last - _BACK_S / TIME_BASE:
            self._waiting = [shown - (index + 1) * self.frame for index in range(self.depth)]
            heapq.heapify(self._waiting)
        self._last = min(shown, heapq.heappushpop(self._waiting, shown))
        return self._last


def _ticks(stamp: int, time_base: Fraction) -> int:
    ticks = stamp * time_base.numerator * TIME_BASE.denominator
    return (2 * ticks + time_base.denominator) // (2 * time_base.denominator)  # rounded; Fractions would take ten times as long
