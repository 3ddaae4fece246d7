"""One clock for all streams of a container whose time stamps begin anew, as joined recordings and broadcasts have them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.packet import Packet

TS_DISCONT = 0x0200
"""``AVFMT_TS_DISCONT``: the format allows that time stamps begin anew (MPEG transport and program streams, HLS, Ogg)."""
# These are read by an index, so that their times are of one clock; reading the video along would cost as much again.
_INDEXED = ("mov,mp4", "matroska", "avi", "mxf")
# FFmpeg's own limits for such formats: less than this back is jitter, less than this forward a gap.
_BACK_S = Fraction(1, 10)
_FORWARD_S = 10
# Packets of one moment lie further apart in the file than this in no sane one.
_INTERLEAVING_S = 2


def jumps(container: InputContainer) -> bool:
    """Whether the clock of this kind of file may begin anew."""
    return not container.format.name.startswith(_INDEXED)


@dataclass(slots=True)
class _Stretch:
    """A part of the file with one clock. Seconds of that clock, decoding times of the video."""

    start_s: Fraction
    now_s: Fraction
    moved_by_s: Fraction
    """What is to be added to its times."""


@dataclass(slots=True)
class _Follower:
    """Where another stream is."""

    stretch: int
    last_s: Fraction | None = None
    own_s: Fraction = Fraction(0)
    """What is added to its times for jumps of its own."""
    waiting_since_s: Fraction | None = None


class Clock:
    """Moves the times of packets so that each stretch follows the one before, picture, sound and subtitles alike.

    To be given the packets in the order of the file. The video leads: a jump of its decoding time begins a new stretch, whose
    first frame follows the last one of the stretch before. Other streams go along, a little earlier or later, as they are
    interleaved. A jump of another stream alone is closed for that stream alone, unless it lands beside the video.
    """

    def __init__(self, *, forward: bool) -> None:
        """``forward``: whether a jump forward of more than ten seconds is a new clock as well, not a gap."""
        self._forward = forward
        self._stretches: list[_Stretch] = []
        self._end_s = Fraction(0)
        self._followers: dict[int, _Follower] = {}

    @property
    def stretches(self) -> int:
        """How many there were so far."""
        return len(self._stretches)

    def lead(self, packet: Packet[Any]) -> None:
        """Move the times of the next packet of the video."""
        at_s = _decoded_s(packet)
        if at_s is None:
            return
        shown_s = at_s if packet.pts is None else packet.pts * packet.time_base
        if not self._stretches:
            self._stretches.append(_Stretch(at_s, at_s, Fraction(0)))
            self._end_s = shown_s
        stretch = self._stretches[-1]
        if at_s < stretch.now_s - _BACK_S or (self._forward and at_s > stretch.now_s + _FORWARD_S):
            stretch = _Stretch(at_s, at_s, self._end_s - shown_s)
            self._stretches.append(stretch)
        stretch.now_s = at_s
        _move(packet, stretch.moved_by_s)
        self._end_s = max(self._end_s, shown_s + stretch.moved_by_s + (packet.duration or 0) * packet.time_base)

    def follow(self, packet: Packet[Any], *, ended: bool = False) -> bool:
        """Move the times of a packet of another stream; False: ask again with it after the next packets of the video.

        ``ended``: no more of the video comes.
        """
        at_s = _decoded_s(packet)
        if at_s is None or not self._stretches:
            return at_s is None or ended
        current = len(self._stretches) - 1
        follower = self._followers.get(packet.stream_index)
        if follower is None:
            follower = self._followers[packet.stream_index] = _Follower(self._nearest(at_s))
        if follower.stretch < current and (self._settled() or self._jumped(follower, at_s)):
            follower.stretch = max(follower.stretch + 1, self._nearest(at_s))
        elif follower.stretch == current and self._jumped(follower, at_s):
            if not ended and not self._waited(follower):
                return False
            if packet.stream.type == "audio":  # others may pause as long as they like
                self._close_own_jump(follower, at_s)
        follower.last_s, follower.waiting_since_s = at_s, None
        _move(packet, self._stretches[follower.stretch].moved_by_s + follower.own_s)
        return True

    def _jumped(self, follower: _Follower, at_s: Fraction) -> bool:
        now_s = self._stretches[follower.stretch].now_s
        if follower.last_s is None:
            return abs(at_s - now_s) > _FORWARD_S
        return at_s < follower.last_s - _BACK_S or (self._forward and at_s > max(follower.last_s, now_s) + _FORWARD_S)

    def _settled(self) -> bool:
        """Whether the newest stretch has gone on for so long that nothing of the one before can come any more."""
        newest = self._stretches[-1]
        return newest.now_s - newest.start_s > _INTERLEAVING_S

    def _waited(self, follower: _Follower) -> bool:
        now_s = self._stretches[-1].now_s
        if follower.waiting_since_s is None:
            follower.waiting_since_s = now_s
        return now_s - follower.waiting_since_s > _INTERLEAVING_S

    def _close_own_jump(self, follower: _Follower, at_s: Fraction) -> None:
        if abs(at_s - self._stretches[-1].now_s) <= _FORWARD_S:
            follower.own_s = Fraction(0)
        elif follower.last_s is not None:
            follower.own_s += follower.last_s - at_s

    def _nearest(self, at_s: Fraction) -> int:
        """The stretch in which a stream begins or goes on: the newest, or the one before while that may still end."""
        newest = len(self._stretches) - 1
        if newest == 0 or self._settled():
            return newest
        before, now = self._stretches[-2], self._stretches[-1]
        return newest - 1 if abs(at_s - before.now_s) < abs(at_s - now.now_s) else newest


def _decoded_s(packet: Packet[Any]) -> Fraction | None:
    ticks = packet.dts if packet.dts is not None else packet.pts
    return None if ticks is None else ticks * packet.time_base


def _move(packet: Packet[Any], by_s: Fraction) -> None:
    if by_s:
        ticks = round(by_s / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks
