"""A server of the wall in a process of its own, which shows one camera twice: its packets, and encoded here.

Its pictures hold a clock, 25 a second, with a key frame each ten seconds. It says of each when it was drawn and handed over,
and tells on demand what its threads have used of the processor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from queue import SimpleQueue
from typing import Any

from benchmarks.picture_clock import BITS, ClockSource
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.sinks.live_encoder import TIME_BASE, LiveEncoder
from streamer.sources.packets import CameraPacket, CameraStreams, EncodedStream
from streamer.stages import Annotated
from streamer.web.access import Access
from streamer.web.feed import FeedOutput
from streamer.web.server import WebServer
from streamer.web.service import Service
from streamer.web.wall import Wall, wall_app

FPS = 25.0
CAMERAS = ("packets", "encoded")


def serve(size: tuple[int, int]) -> None:
    """The server: says where it is, then of each picture its clock, when it was drawn and handed over (seconds since 1970)."""
    wall = Wall(CAMERAS, covered=["encoded"])
    nothing = Service(lambda _: (b"", ""), lambda: (200, {}), dict)
    told = [_told(name) for name in wall.feeds]
    source = ClockSource(*size, FPS, 3600.0)
    info = source.open()
    outputs = [FeedOutput(feed, info, {}) for feed in wall.feeds.values()]
    hub = wall.feeds["packets"].hub
    assert hub is not None
    hub.begin(CameraStreams(video=EncodedStream(codec="h264", extradata=None, rate=Fraction(25), header=None)))
    encoder = LiveEncoder(info, key_interval_s=10.0)
    with WebServer("0", lambda: wall_app(wall, Access(host="127.0.0.1"), nothing, lambda: told)) as server:
        _say({"url": server.url})
        threading.Thread(target=_answer, args=(source,), daemon=True).start()
        for frame in source.frames():
            clock = int(frame.captured_at * 1e3) % (1 << BITS)
            handed = _hand_over(frame, encoder, hub, outputs)
            _say([clock, frame.utc_s, handed])
    wall.close()


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")  # in one go: two threads write
    sys.stdout.flush()


def _answer(source: ClockSource) -> None:
    """Say what the threads have used, for each line that is read, until there are none."""
    for _ in sys.stdin:
        # While a thread is listed it lives, and so does its clock.
        clocks = [(thread.name, time.pthread_getcpuclockid(thread.ident)) for thread in threading.enumerate() if thread.ident]
        _say({"used_s": [(name, time.clock_gettime(clock)) for name, clock in clocks]})
    source.interrupt()


def _hand_over(frame: Frame, encoder: LiveEncoder, hub: Any, outputs: list[FeedOutput]) -> float:
    packets = encoder.encode(frame.picture, frame.orientation, frame.pts)
    handed = time.time()
    frame.camera_pts = frame.pts
    for output in outputs:
        output.write(Annotated(frame, Instances.empty()))
    for packet in packets:
        data, key, now = bytes(packet), packet.is_keyframe, time.monotonic()
        hub.take(
            CameraPacket(
                kind="video",
                data=data,
                pts=frame.pts,
                dts=frame.pts,
                time_base=TIME_BASE,
                key=key,
                arrived_s=now,
                utc_s=handed,
                camera_clock=False,
            )
        )
    return handed


def _told(name: str) -> dict[str, Any]:
    figures = {"process_fps": 0.0, "detection_fps": 0.0, "latency_ms": {"e2e": None}, "mask_age_s": None, "dropped": {}}
    return {"name": name, "state": "running", "problems": [], **figures}


class Server:
    """The server in its process, and what it said of each picture."""

    def __init__(self, size: tuple[int, int]) -> None:
        command = [sys.executable, "-m", "benchmarks.web_server", *map(str, size)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = str(json.loads(self.process.stdout.readline())["url"])
        self.times: dict[int, tuple[float, float]] = {}
        self._used: SimpleQueue[list[tuple[str, float]]] = SimpleQueue()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            if isinstance(said, dict):
                self._used.put(said["used_s"])
            else:
                clock, drawn, handed = said
                self.times[clock] = (drawn, handed)

    def used_s(self) -> tuple[float, float]:
        """Processor seconds of the server's loop with its helpers, and of what encodes and tells what is in the pictures."""
        assert self.process.stdin is not None
        self.process.stdin.write("used\n")
        self.process.stdin.flush()
        used = self._used.get(timeout=30)
        loop = sum(seconds for name, seconds in used if name == "web" or name.startswith("asyncio"))
        return loop, sum(seconds for name, seconds in used if name.startswith("web-"))

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)
        self._thread.join()


@contextmanager
def serving(size: tuple[int, int]) -> Iterator[Server]:
    """A server whose camera sends pictures of that size."""
    server = Server(size)
    try:
        yield server
    finally:
        server.close()


if __name__ == "__main__":
    serve((int(sys.argv[1]), int(sys.argv[2])))
