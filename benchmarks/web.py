"""What the wall is judged by in a browser: the first picture, the delay to the canvas, what viewers cost.

    python -m benchmarks.web [delay first viewers] [--seconds 10]

A server in a process of its own shows a camera whose pictures hold a clock, 25 a second, a key frame each ten seconds; Chromium
plays it by each way, and the page's canvas is read back. ``delay``: milliseconds from the drawing of a picture (glass), and
from the hand-over of its packet (server), to the canvas. ``first``: from the click to the first picture. ``viewers``: processor
time of the server with 0, 1 and 10 viewers that take everything and show nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from benchmarks.measure import machine
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
SIZES = ((640, 360), (1280, 720))
WAYS = {
    "WebRTC, packets": ("packets", ""),
    "MSE, packets": ("packets", "delete window.RTCPeerConnection;"),
    "WebRTC, encoded": ("encoded", ""),
    "MSE, encoded": ("encoded", "delete window.RTCPeerConnection;"),
    "JPEG": ("encoded", "delete window.RTCPeerConnection; delete window.MediaSource;"),
}
PATIENT = "const wait = setTimeout; window.setTimeout = (what, ms) => wait(what, ms === 3000 ? 60000 : ms);"
READ = """async seconds => {
  const element = document.querySelector('#large canvas'), found = [], until = performance.now() + 1000 * seconds;
  const copy = new OffscreenCanvas(640, 1).getContext('2d', {willReadFrequently: true});
  let before = '';
  while (performance.now() < until) {
    await new Promise(requestAnimationFrame);
    const {pictureStamp} = element.dataset;
    if (!pictureStamp || pictureStamp === before) continue;
    before = pictureStamp;
    const at = performance.timeOrigin + performance.now(), size = Math.floor(element.width / 40);
    copy.drawImage(element, 0, element.height - Math.round(size / 2), element.width, 1, 0, 0, 640, 1);
    const row = copy.getImageData(0, 0, 640, 1).data;
    const lit = bit => row[4 * Math.floor((bit + 0.5) * size * 640 / element.width)] > 128;
    let shown = 0;
    for (let bit = 0; bit < 32; bit++) shown += lit(bit) * 2 ** bit;
    found.push([shown, at]);
  }
  return found;
}"""
FIRST = """async () => {
  const element = document.querySelector('#large canvas'), begun = performance.now();
  document.querySelector('#wall li .open').click();
  while (!element.dataset.pictureStamp) await new Promise(requestAnimationFrame);
  return performance.now() - begun;
}"""


def serve(size: tuple[int, int]) -> None:
    """The server: says where it is, then of each picture its clock, when it was drawn and handed over (seconds since 1970)."""
    wall = Wall(["packets", "encoded"], covered=["encoded"])
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
        print(json.dumps({"url": server.url}), flush=True)
        threading.Thread(target=_until_told, args=(source,), daemon=True).start()
        for frame in source.frames():
            clock = int(frame.captured_at * 1e3) % (1 << BITS)
            handed = _hand_over(frame, encoder, hub, outputs)
            print(json.dumps([clock, frame.utc_s, handed]), flush=True)
    wall.close()


def _until_told(source: ClockSource) -> None:
    sys.stdin.read()
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
        command = [sys.executable, "-m", "benchmarks.web", "--serve", *map(str, size)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = str(json.loads(self.process.stdout.readline())["url"])
        self.times: dict[int, tuple[float, float]] = {}
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            clock, drawn, handed = json.loads(line)
            self.times[clock] = (drawn, handed)

    def used_s(self) -> float:
        """Processor seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)
        self._thread.join()


@contextmanager
def serving(size: tuple[int, int]) -> Iterator[Server]:
    server = Server(size)
    try:
        yield server
    finally:
        server.close()


def opened(browser: Any, server: Server, way: str) -> Any:
    """The wall with one camera, in a context of its own."""
    camera, script = WAYS[way]
    page = browser.new_context().new_page()
    page.add_init_script(PATIENT + script)
    page.goto(server.url)
    page.get_by_role("button", name=f"{camera}, enlarge").wait_for()
    page.evaluate(
        "name => { for (const each of [...document.querySelectorAll('#wall li')])"
        " if (each.querySelector('h2').textContent !== name) each.remove(); }",
        camera,
    )
    return page


def spread(values: list[float]) -> str:
    """Median and 95th percentile."""
    if not values:
        return "nothing came"
    return f"{statistics.median(values):4.0f} / {sorted(values)[int(0.95 * (len(values) - 1))]:4.0f} ms"


def delay(browser: Any, seconds: float) -> None:
    """From glass, and from the server, to the canvas; median and 95th percentile."""
    for size in SIZES:
        with serving(size) as server:
            for way in WAYS:
                page = opened(browser, server, way)
                page.evaluate(FIRST)
                page.wait_for_timeout(2000)
                found = [(server.times[clock], at / 1e3) for clock, at in page.evaluate(READ, seconds) if clock in server.times]
                glass = [1e3 * (at - drawn) for (drawn, _), at in found]
                handed = [1e3 * (at - over) for (_, over), at in found]
                shown = len(found) / (FPS * seconds)
                print(
                    f"  {size[0]}x{size[1]} {way:16} glass to canvas {spread(glass)}, server to canvas {spread(handed)}, "
                    f"{shown:4.0%} of the pictures",
                    flush=True,
                )
                page.context.close()


def first(browser: Any, _seconds: float) -> None:
    """From the click to the first picture, in the middle of a group of pictures of ten seconds; median and worst of 7."""
    with serving(SIZES[1]) as server:
        for way in WAYS:
            took = []
            for _ in range(7):
                page = opened(browser, server, way)
                page.wait_for_timeout(1000)
                took.append(page.evaluate(FIRST))
                page.context.close()
            print(
                f"  first picture, 1280x720, {way:16} {statistics.median(took):5.0f} ms, worst {max(took):5.0f} ms", flush=True
            )


def viewers(_browser: Any, seconds: float) -> None:
    """Processor time of the server, in shares of one core."""
    with serving(SIZES[1]) as server:
        base = _share(server, seconds)
        print(f"  1280x720, nobody watches: {base:.0%} of a core (it plays the camera, too)", flush=True)
        for camera in ("packets", "encoded"):
            for way in ("whep", "video"):
                for count in (1, 10):
                    used = asyncio.run(_watched(server, f"/api/cameras/{camera}/{way}", count, seconds))
                    print(f"  1280x720, {camera}, {way}, {count:2} viewers: {used - base:+.0%} of a core", flush=True)


def _share(server: Server, seconds: float) -> float:
    before, begun = server.used_s(), time.monotonic()
    time.sleep(seconds)
    return (server.used_s() - before) / (time.monotonic() - begun)


async def _watched(server: Server, path: str, count: int, seconds: float) -> float:
    import aiohttp
    from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription, rtcrtpreceiver

    def drain(loop: Any, input_q: Any, output_q: Any, decode_error: Any) -> None:  # noqa: ARG001  # names of aiortc's
        while input_q.get() is not None:
            pass

    rtcrtpreceiver.decoder_worker = drain  # viewers here show nothing
    known = RTCRtpReceiver.getCapabilities("video")
    assert known is not None
    async with aiohttp.ClientSession() as http:

        async def read(socket: Any) -> None:
            async for _ in socket:
                pass

        reading, peers = [], []
        for _ in range(count):
            if path.endswith("/video"):
                socket = await http.ws_connect(server.url + path, max_msg_size=0)
            else:
                peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
                peers.append(peer)
                codecs = [codec for codec in known.codecs if codec.mimeType in ("video/H264", "video/rtx")]
                peer.addTransceiver("video", direction="recvonly").setCodecPreferences(codecs)
                await peer.setLocalDescription(await peer.createOffer())
                headers = {"Content-Type": "application/sdp"}
                async with http.post(server.url + path, data=peer.localDescription.sdp, headers=headers) as answer:
                    sdp, location = await answer.text(), answer.headers["Location"]
                await peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))
                socket = await http.ws_connect(server.url + location)
            reading.append(asyncio.ensure_future(read(socket)))
        await asyncio.sleep(3)
        used = await asyncio.to_thread(_share, server, seconds)
        for task in reading:
            task.cancel()
        for peer in peers:
            await peer.close()
    await asyncio.sleep(1)
    return used


def main() -> None:
    """Run the named benchmarks, or all."""
    benchmarks = {f.__name__: f for f in (first, delay, viewers)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(benchmarks)}; all by default")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each run")
    parser.add_argument("--serve", nargs=2, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve((arguments.serve[0], arguments.serve[1]))
        return
    from playwright.sync_api import sync_playwright

    print(machine(), f"PyAV {av.__version__}", flush=True)
    for name in arguments.names or benchmarks:
        if name == "viewers":  # asyncio cannot run beside playwright
            viewers(None, arguments.seconds)
            continue
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            benchmarks[name](browser, arguments.seconds)
            browser.close()


if __name__ == "__main__":
    main()
