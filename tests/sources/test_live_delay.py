"""How far a live source is behind its camera: told by pictures, not by time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from streamer.frame import Frame
from streamer.sources.live import LiveSource
from tests.camera import Camera, encode_video
from tests.rtsp import why_not
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


def number_in(frame: Frame) -> int:
    row = frame.picture.to_ndarray(format="gray")[-8]
    return sum(int(row[16 * bit + 8] > 128) << bit for bit in range(8))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "hevc", "mjpeg"])
def test_the_newest_picture_does_not_wait_for_the_next(tmp_path: Path, codec: str, transport: str) -> None:
    video = tmp_path / "video.units"
    encode_video(video, codec, seconds=4)
    camera = Camera(tmp_path, codec, video=video)
    camera.start()
    seen: list[int] = []
    source = LiveSource(camera.url, transport=transport, sound=False, read_timeout_s=60.0)  # type: ignore[arg-type]  # a literal

    def read() -> None:
        seen.extend(number_in(frame) for frame in source.frames())

    source.open()
    reading = threading.Thread(target=read)
    reading.start()
    try:
        wait_until(lambda: len(seen) > 20, 60)
        camera.tell("hold 0")  # nothing comes any more that could push a picture out
        wait_until(lambda: seen[-1] == camera.sent()[-1], what=lambda: (seen[-3:], camera.sent()[-3:]))
    finally:
        source.interrupt()
        reading.join()
        source.close()
        camera.stop()
