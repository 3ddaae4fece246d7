"""What a tap gets of a camera's streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.sources.live import LiveSource
from streamer.sources.packets import CameraPacket, CameraStreams, Taps
from tests.camera import Camera
from tests.rtsp import why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


class Kept:
    def __init__(self) -> None:
        self.streams: list[CameraStreams] = []
        self.packets: list[CameraPacket] = []

    def begin(self, streams: CameraStreams) -> None:
        self.streams.append(streams)

    def take(self, packet: CameraPacket) -> None:
        self.packets.append(packet)


@pytest.mark.parametrize("sound", [True, False])
def test_sound_is_read_only_where_it_is_wanted_and_frames_name_their_packets(tmp_path: Path, *, sound: bool) -> None:
    camera = Camera(tmp_path, sound="pcm_alaw")
    camera.start()
    first, second = Kept(), Kept()
    source = LiveSource(camera.url, tap=Taps(first, second), sound=sound)
    try:
        source.open()
        frames = [frame for frame, _ in zip(source.frames(), range(30), strict=False)]
    finally:
        source.close()
        camera.stop()
    assert (first.streams[0].audio is not None) == sound
    assert {packet.kind for packet in first.packets} == ({"video", "audio"} if sound else {"video"})
    assert first.packets == second.packets
    known = {packet.pts for packet in first.packets if packet.kind == "video"}
    named = [frame.camera_pts for frame in frames[1:-2]]  # RTSP's first may have none; the last are not handed on yet
    assert set(named) <= known
    assert len(set(named)) == len(named)
