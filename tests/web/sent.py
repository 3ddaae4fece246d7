"""What a camera sends, for tests of those who watch it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from typing import Any

from streamer.sources.packets import CameraPacket, CameraStreams, EncodedStream
from streamer.web.access import Access
from streamer.web.ice import IceServers
from streamer.web.packets import PacketHub
from streamer.web.server import WebServer
from streamer.web.wall import Wall, wall_app
from tests.camera import RATE, encode_video
from tests.waiting import wait_until
from tests.web.test_access import NOTHING


def streams(codec: str = "h264") -> CameraStreams:
    return CameraStreams(video=EncodedStream(codec=codec, extradata=None, rate=Fraction(RATE), header=None))


def packets(folder: Path, codec: str = "h264", *, seconds: float = 2, gop: int = 25) -> list[CameraPacket]:
    """Its packets; its time stamps begin anywhere."""
    path = folder / "video.units"
    later = encode_video(path, codec, seconds=seconds, gop=gop)
    data = path.read_bytes()
    found: list[CameraPacket] = []
    while data:
        size = int.from_bytes(data[:4], "big")
        number = len(found)
        at = 777_000 + 3600 * number
        found.append(
            CameraPacket(
                kind="video",
                data=data[4 : 4 + size],
                pts=at + 3600 * later[number],
                dts=None if any(later) else at,
                time_base=Fraction(1, 90_000),
                key=number % gop == 0,
                arrived_s=number / RATE,
                utc_s=1e9 + number / RATE,
                camera_clock=False,
            )
        )
        data = data[4 + size :]
    return found


@contextmanager
def sending(hub: PacketHub, found: Sequence[CameraPacket]) -> Iterator[None]:
    """A camera that sends these packets again and again, in time, from a thread of its own."""
    stop = threading.Event()

    def send() -> None:
        hub.begin(streams())
        for index, packet in enumerate(cycle(found)):
            at = 777_000 + 3600 * index
            hub.take(replace(packet, pts=at, dts=at, arrived_s=time.monotonic()))
            if stop.wait(1 / RATE):
                return

    thread = threading.Thread(target=send, name="camera")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def served(folder: Path, ice: IceServers | None = None) -> Iterator[str]:
    """The address of a wall with one camera, that sends its packets."""
    wall = Wall(["gate"])
    hub = wall.feeds["gate"].hub
    assert hub is not None
    figures = {"process_fps": 25.0, "detection_fps": 0.0, "latency_ms": {"e2e": None}, "mask_age_s": None, "dropped": {}}
    told: dict[str, Any] = {"name": "gate", "state": "running", "problems": [], **figures}
    access = Access(host="127.0.0.1")
    with (
        WebServer("0", lambda: wall_app(wall, access, NOTHING, lambda: [told], ice=ice)) as server,
        sending(hub, packets(folder)),
    ):
        wait_until(lambda: hub.codec)
        yield server.url
    wall.close()
