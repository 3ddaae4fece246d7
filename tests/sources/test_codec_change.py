"""A camera that goes over to another codec within a connection, as transport streams can."""

from __future__ import annotations

import time
from pathlib import Path

import av
import pytest
from av.container import InputContainer
from av.video.stream import VideoStream

from streamer.errors import SourceLost
from streamer.sources.camera_clock import CameraClock
from streamer.sources.packets import CameraPacket, CameraStreams
from streamer.sources.tapped import ReadStreams, TappedStreams
from tests.media import ffmpeg

KINDS = {
    "h264": ("libx264", "-bf", "2", "-x264-params", "slices=3:keyint=10"),
    "hevc": ("libx265", "-x265-params", "keyint=10:bframes=2:log-level=none"),
}


class Counted:
    def __init__(self) -> None:
        self.taken = 0

    def begin(self, streams: CameraStreams) -> None: ...

    def take(self, packet: CameraPacket) -> None:
        self.taken += bool(packet.data)


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("streams")
    for name, encoder in KINDS.items():
        source = ["-f", "lavfi", "-i", "testsrc2=s=128x96:r=10:d=3"]
        ffmpeg(*source, "-c:v", *encoder, "-pix_fmt", "yuv420p", str(folder / f"{name}.ts"))
    return {name: folder / f"{name}.ts" for name in KINDS}


@pytest.mark.parametrize(("first", "second"), [("h264", "hevc"), ("hevc", "h264"), ("h264", "h264"), ("hevc", "hevc")])
def test_only_another_codec_ends_the_connection(streams: dict[str, Path], first: str, second: str) -> None:
    counted = Counted()
    with av.open(str(streams[first])) as one, av.open(str(streams[second])) as other:
        video = one.streams.video[0]
        assert isinstance(video, VideoStream)
        tapped = TappedStreams(
            counted,
            ReadStreams(video),
            pieces=False,
            arrival=False,
            rate=None,
            wall=CameraClock(),
            clock=time.monotonic,
            utc=time.time,
        )

        def take_all(container: InputContainer) -> None:
            for packet in container.demux(video=0):
                if packet.size:
                    tapped.take(packet, video=True)

        take_all(one)
        assert counted.taken == 30
        if first == second:
            take_all(other)
            assert counted.taken == 60
            return
        with pytest.raises(SourceLost, match="another codec"):
            take_all(other)
        assert counted.taken < 36, "what follows is not kept under the wrong name"
