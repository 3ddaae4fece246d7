"""The newest packets in memory: whole groups of pictures, within bounds."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

from streamer.recording.preroll import Placed, Preroll
from streamer.recording.times import Times
from streamer.recording.tracks import Tracks
from streamer.sources.packets import CameraPacket, CameraStreams, EncodedStream

MJPEG = CameraStreams(video=EncodedStream(codec="mjpeg", extradata=None, rate=None, header=None))


def taken(index: int, data: bytes, *, key: bool) -> CameraPacket:
    return CameraPacket(
        kind="video",
        data=data,
        pts=index,
        dts=None,
        time_base=Fraction(1),
        key=key,
        arrived_s=index,
        utc_s=index,
        camera_clock=False,
    )


TRACKS = Tracks(MJPEG, taken(0, cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes(), key=True))


def placed(index: int, *, key: bool, size: int = 10) -> Placed:
    return Placed(taken(index, bytes(size), key=key), Times(index, index), TRACKS)


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


def test_what_ended_long_before_is_of_another_time() -> None:
    preroll = Preroll(5, 10_000)
    for index in (0, 1, 2, 60, 61, 62):
        preroll.add(placed(index, key=index in (0, 60)))
    assert kept(preroll, 57) == [60, 61, 62]
    assert kept(preroll, 5) == [0, 1, 2, 60, 61, 62]
