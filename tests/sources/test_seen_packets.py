"""What was sent before is known by its time stamp and its content."""

from __future__ import annotations

from streamer.sources import seen_packets
from streamer.sources.seen_packets import SeenPackets


def test_the_same_packet_is_seen_and_another_one_at_its_time_is_not() -> None:
    packets = SeenPackets()
    assert [packets.seen(0, b"a"), packets.seen(0, b"b"), packets.seen(1, b"a"), packets.seen(0, b"a")] == [
        False,
        False,
        False,
        True,
    ]


def test_it_does_not_grow() -> None:
    packets = SeenPackets()
    for pts in range(seen_packets._REMEMBERED + 1):
        packets.seen(pts, b"")
    assert not packets.seen(0, b"")
    assert packets.seen(seen_packets._REMEMBERED, b"")
