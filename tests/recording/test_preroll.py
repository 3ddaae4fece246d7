"""The newest packets in memory: whole groups of pictures, within bounds."""

from __future__ import annotations

from fractions import Fraction

from streamer.recording.preroll import Placed, Preroll
from streamer.recording.times import Times
from streamer.sources.packets import CameraPacket


def placed(index: int, *, key: bool, size: int = 10) -> Placed:
    packet = CameraPacket(
        kind="video",
        data=bytes(size),
        pts=index,
        dts=None,
        time_base=Fraction(1),
        key=key,
        arrived_s=index,
        utc_s=index,
        camera_clock=False,
    )
    return Placed(packet, Times(index, index))


def kept(preroll: Preroll, since: float) -> list[float]:
    return [each.packet.utc_s for each in preroll.since(since)]


def test_it_begins_at_the_key_frame_before() -> None:
    preroll = Preroll(5, 10_000)
    for index in range(31):
        preroll.add(placed(index, key=index % 10 == 0))
    assert kept(preroll, 25) == list(range(20, 31))
    assert kept(preroll, 30) == [30]
    assert not preroll.cut_short


def test_a_long_group_is_kept_whole() -> None:
    preroll = Preroll(2, 10_000)
    for index in range(40):
        preroll.add(placed(index, key=index == 0))
    assert kept(preroll, 38) == list(range(40))


def test_memory_is_bounded_and_what_is_too_short_is_told() -> None:
    preroll = Preroll(100, 250)
    for index in range(95):
        preroll.add(placed(index, key=index % 10 == 0))
        assert preroll.size_bytes <= 250
    assert preroll.cut_short
    assert kept(preroll, 0)[0] == 70
    preroll.add(placed(95, key=False, size=1000))
    assert preroll.size_bytes == 0
    assert kept(preroll, 0) == []


def test_nothing_is_kept_before_the_first_key_frame() -> None:
    preroll = Preroll(5, 1000)
    preroll.add(placed(0, key=False))
    assert kept(preroll, 0) == []
