"""Viewers who come and go for minutes: whether the server gives back all that they took, and whether cameras notice.

    python -m benchmarks.web_visitors [--minutes 10]

A run with two cameras, one whose packets are sent and one that privacy has encoded. Six viewers at a time: four come by a way
that is drawn by lot (WebRTC, MSE, JPEG, MJPEG), stay for one to eight seconds, and say goodbye, tear the connection off, or
vanish; one takes nothing any more once it is there; one has a line of 20 kB a second. Before and after, nobody watches: that is
what threads, tasks, files, memory and the cameras' frame rates are compared with. Ends with 1 where something was kept, the log
complains, or a camera has lost more than 2 % of its rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np
from aiortc import RTCPeerConnection

from benchmarks.wall import sample
from benchmarks.web_viewers import called, show_nothing
from streamer.web.server import WebServer
from tests.camera import Camera

WALL = """\
detector: tests.bright:Bright
web: 0
cameras:
  plain: {{source: '{url}'}}
  covered: {{source: '{url}', privacy_zones: ['0,0 0.3,0 0.3,0.3 0,0.3']}}
"""
CAMERAS = ("plain", "covered")
QUIET_SHARE = 0.2
"""Of the time nobody watches before, and as long after."""
GONE_S = 40.0
"""What vanished without a word is noticed by then."""
THIN_BYTES_PER_S = 20_000
_RESET = b"\x01\0\0\0\0\0\0\0"
_KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
_COMPLAINTS = re.compile(r"Task was destroyed|Traceback|never retrieved|ResourceWarning|unclosed| (error|critical) ")


def serve(settings: str) -> None:
    """``streamer run``, which says for each line that it reads: tasks of its server, threads that wait for files."""

    servers: list[WebServer] = []
    make = WebServer.__init__

    def made(self: WebServer, *arguments: Any, **options: Any) -> None:
        servers.append(self)
        make(self, *arguments, **options)

    # Nothing else leads to its loop, which has no place where it could be asked from outside.
    WebServer.__init__ = made  # type: ignore[method-assign]

    def tell() -> None:
        for _ in sys.stdin:
            tasks = sum(len(asyncio.all_tasks(vars(server)["_loop"])) for server in servers)
            # The pool that waits for files keeps its threads, up to a number of them.
            pool = sum(thread.name.startswith("asyncio_") for thread in threading.enumerate())
            print(tasks, pool, flush=True)

    threading.Thread(target=tell, daemon=True).start()
    sys.argv = ["streamer", "run", settings]
    from streamer.cli.app import main

    main()


class Run:
    """The run in its process."""

    def __init__(self, folder: Path, camera: str) -> None:
        self._log = folder / "log.txt"
        settings = folder / "wall.yaml"
        settings.write_text(WALL.format(url=camera), encoding="utf-8")
        command = [sys.executable, "-X", "dev", "-m", "benchmarks.web_visitors", "--serve", str(settings)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.url = ""
        while not self.url:
            time.sleep(0.2)
            found = re.search(r"cameras at (http://127\.0\.0\.1:\d+)", self.log)
            self.url = found[1] if found and all(f"{name}: running" in self.log for name in CAMERAS) else ""
            if self.process.poll() is not None:
                raise RuntimeError(self.log)

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def frames(self) -> tuple[float, dict[str, int]]:
        """When it was, and the frames of each camera so far."""
        with urllib.request.urlopen(f"{self.url}/status", timeout=30) as answer:
            said = json.load(answer)
        return time.monotonic(), {camera["name"]: camera["frames_in"] for camera in said["cameras"]}

    def held(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Memory (MiB), threads but those of the pool, files, tasks."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("tasks\n")
        self.process.stdin.flush()
        tasks, pool = map(int, self.process.stdout.readline().split())
        memory, threads, files, _ = sample(self.process.pid)
        return np.array([memory, threads - pool, files, tasks])

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()


class Visitors:
    """Those who watch."""

    def __init__(self, url: str, seed: int = 7) -> None:
        self.came: Counter[str] = Counter()
        """How often each way was come by, and how often each way to leave was taken."""
        self._url = url
        self._lot = random.Random(seed)

    async def watch(self, seconds: float) -> None:
        """Come and go for so long."""
        visits: list[Callable[[], Awaitable[None]]] = [*4 * [self._visit], self._stall, self._dawdle]
        try:
            async with asyncio.timeout(seconds):
                async with asyncio.TaskGroup() as group:
                    for visit in visits:
                        group.create_task(self._again(visit))
        except TimeoutError:
            pass

    async def every_way(self) -> None:
        """Each way once: what is loaded at its first use is there then."""
        for way in ("whep", "video", "pictures", "mjpeg"):
            for camera in CAMERAS:
                await self._come(way, camera, "goodbye", 2.0)
        self.came.clear()

    async def _again(self, visit: Callable[[], Awaitable[None]]) -> None:
        while True:
            await visit()

    async def _visit(self) -> None:
        way, camera = self._lot.choice(("whep", "video", "pictures", "mjpeg")), self._lot.choice(CAMERAS)
        leaves = self._lot.choice(("goodbye", "torn off", "vanished"))
        await self._come(way, camera, leaves, self._lot.uniform(1.0, 8.0))

    async def _come(self, way: str, camera: str, leaves: str, seconds: float) -> None:
        self.came[way] += 1
        self.came[leaves] += 1
        path = f"{self._url}/api/cameras/{camera}/{way}"
        peer: RTCPeerConnection | None = None
        async with aiohttp.ClientSession() as http:
            try:
                if way == "mjpeg":
                    async with http.get(path) as answer:
                        with suppress(TimeoutError):
                            async with asyncio.timeout(seconds):
                                async for _ in answer.content.iter_any():
                                    pass
                        if leaves != "goodbye" and answer.connection is not None and answer.connection.transport is not None:
                            answer.connection.transport.abort()
                    return
                url = path
                if way == "whep":
                    peer, url = await called(http, path)
                socket_ = await http.ws_connect(url, max_msg_size=0, compress=15)
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        async for message in socket_:
                            if way == "pictures":
                                await socket_.send_str("next" if message.type is aiohttp.WSMsgType.BINARY else "")
                if leaves == "goodbye":
                    if peer is not None:
                        await http.delete(url)
                    await socket_.close()
                else:
                    transport = socket_.get_extra_info("socket")
                    if leaves == "torn off" and transport is not None:
                        transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            finally:
                if peer is not None:
                    await peer.close()

    async def _stall(self) -> None:
        """Take nothing any more: the server sends it away ten seconds after the buffers on the way are full."""
        self.came["stalled"] += 1
        await self._raw(lambda _: asyncio.sleep(45.0))

    async def _dawdle(self) -> None:
        """Take little, for as long as the server bears it."""
        self.came["thin line"] += 1
        await self._raw(self._sip)

    async def _sip(self, reader: asyncio.StreamReader) -> None:
        until = time.monotonic() + 30.0
        while time.monotonic() < until and await reader.read(THIN_BYTES_PER_S // 10):
            await asyncio.sleep(0.1)

    async def _raw(self, take: Callable[[asyncio.StreamReader], Awaitable[None]]) -> None:
        """A WebSocket of video on a connection whose buffers are small, so that the server notices what is not taken."""
        where = urlsplit(self._url)
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (where.hostname, where.port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=8192)
        head = f"GET /api/cameras/{self._lot.choice(CAMERAS)}/video HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\n"
        writer.write(f"{head}Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n{_KEY}\r\n\r\n".encode())
        try:
            await take(reader)
        except ConnectionError:
            pass  # it was sent away
        finally:
            writer.transport.abort()


def rates(before: tuple[float, dict[str, int]], after: tuple[float, dict[str, int]]) -> dict[str, float]:
    """Frames a second of each camera."""
    return {name: (after[1][name] - before[1][name]) / (after[0] - before[0]) for name in after[1]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    show_nothing()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "camera").mkdir()
        camera = Camera(folder / "camera")
        camera.start()
        try:
            return judge(Run(folder, camera.url), 60.0 * options.minutes)
        finally:
            camera.stop()


def judge(run: Run, seconds: float) -> int:
    """Let viewers come and go, and say what was kept."""
    try:
        visitors = Visitors(run.url)
        asyncio.run(visitors.every_way())
        time.sleep(5.0)
        frames, held = [run.frames()], [run.held()]
        time.sleep(QUIET_SHARE * seconds)
        frames.append(run.frames())
        parts = max(2, round((1 - 2 * QUIET_SHARE) * seconds / 60.0))
        for part in range(parts):
            asyncio.run(visitors.watch((1 - 2 * QUIET_SHARE) * seconds / parts))
            held.append(run.held())
            print(f"  part {part + 1} of {parts}: {in_words(held[-1])}", flush=True)
        frames.append(run.frames())
        time.sleep(GONE_S)
        held.append(run.held())
        frames.append(run.frames())
        time.sleep(QUIET_SHARE * seconds)
        frames.append(run.frames())
    finally:
        code = run.end()
    print("  came and went: " + ", ".join(f"{what} {count}" for what, count in sorted(visitors.came.items())))
    print(f"  before: {in_words(held[0])}; after: {in_words(held[-1])}")
    alone = [rates(frames[0], frames[1]), rates(frames[3], frames[4])]
    watched = rates(frames[1], frames[2])
    shares = {name: watched[name] / (sum(each[name] for each in alone) / 2) for name in CAMERAS}
    for camera, share in shares.items():
        print(f"  {camera}: {watched[camera]:.2f} frames a second while it was watched, {share:.1%} of its rate when not")
    complaints = [line for line in run.log.splitlines() if _COMPLAINTS.search(line)]
    print(f"  complaints in the log: {len(complaints)}; exit code {code}", *complaints[:10], sep="\n  ")
    kept = held[-1][1:] > held[0][1:]
    return int(bool(kept.any()) or bool(complaints) or min(shares.values()) < 0.98)


def in_words(held: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    return "{:.1f} MiB, {:.0f} threads, {:.0f} files, {:.0f} tasks".format(*held)


if __name__ == "__main__":
    sys.exit(main())
