"""What viewers of the wall cost the server, against what it costs to encode for them: see ``web.py``.

Viewers are clients without a screen. They take everything, and are asked for compression of WebSockets as browsers do.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any, Self

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription, rtcrtpreceiver
from yarl import URL

from benchmarks.web_server import Server, serving

SIZE = (1280, 720)
WAYS = {"whep": "WebRTC", "video": "MSE", "pictures": "JPEG"}
SHOWN = (("encoded", "whep"), ("encoded", "video"), ("encoded", "pictures"), ("packets", "whep"), ("packets", "video"))
ROUNDS = 3
_SETTLE_S = 2.0
_DEFLATE = 15
"""Bits of the window that browsers ask for."""


class Viewers:
    """Some viewers of one camera by one way, and how many pictures each was sent."""

    def __init__(self, server: Server, camera: str, way: str, count: int) -> None:
        self.pictures = 0
        """That all of them together were sent."""
        self._path = f"{server.url}/api/cameras/{camera}/{way}"
        self._way, self._count = way, count
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        http = await self._stack.enter_async_context(aiohttp.ClientSession())
        for _ in range(self._count):
            url = self._path
            if self._way == "whep":
                peer, url = await called(http, self._path)
                self._stack.push_async_callback(peer.close)
            socket = await http.ws_connect(url, max_msg_size=0, compress=_DEFLATE)
            reading = asyncio.ensure_future(self._read(socket))
            self._stack.push_async_callback(_ended, reading)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if self._way == "whep":
                self.pictures += '"rtp"' in message.data
            else:
                self.pictures += message.type is aiohttp.WSMsgType.BINARY
            if self._way == "pictures" and message.type is aiohttp.WSMsgType.BINARY:
                await socket.send_str("next")


async def called(http: aiohttp.ClientSession, path: str) -> tuple[RTCPeerConnection, str]:
    """Ask for video by WebRTC at that URL of WHEP: the connection, and the URL of its session."""
    known = RTCRtpReceiver.getCapabilities("video")
    assert known is not None
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    codecs = [codec for codec in known.codecs if codec.mimeType in ("video/H264", "video/rtx")]
    peer.addTransceiver("video", direction="recvonly").setCodecPreferences(codecs)
    await peer.setLocalDescription(await peer.createOffer())
    headers = {"Content-Type": "application/sdp"}
    async with http.post(path, data=peer.localDescription.sdp, headers=headers) as answer:
        answer.raise_for_status()
        sdp, session = await answer.text(), answer.url.origin().join(URL(answer.headers["Location"], encoded=True))
    await peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))
    return peer, str(session)


def show_nothing() -> None:
    """Connections of this process decode no picture from now on."""

    def drain(loop: Any, input_q: Any, output_q: Any, decode_error: Any) -> None:  # noqa: ARG001  # names of aiortc's
        while input_q.get() is not None:
            pass

    rtcrtpreceiver.decoder_worker = drain


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def viewers(seconds: float) -> None:
    """Processor milliseconds for each picture: of encoding it, and of handing it to one viewer and to ten."""
    show_nothing()
    with serving(SIZE) as server:
        for camera, way in SHOWN:
            found: dict[int, list[tuple[float, float]]] = {1: [], 10: []}
            for _ in range(ROUNDS):
                for count, costs in found.items():
                    costs.append(asyncio.run(_costs(server, camera, way, count, seconds / ROUNDS)))
            (one, made), (ten, made_for_ten) = (
                (_median(of for of, _ in each), _median(of for _, of in each)) for each in found.values()
            )
            line = f"  {SIZE[0]}x{SIZE[1]}, {camera}, {WAYS[way]:6} one viewer {one:4.2f} ms a picture, ten {ten:5.2f} ms"
            if camera == "encoded":
                line += f", encoding {made:5.2f} ms: ten viewers are {(ten + made_for_ten - made) / made:.0%} of an encode"
            print(line, flush=True)


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


async def _costs(server: Server, camera: str, way: str, count: int, seconds: float) -> tuple[float, float]:
    """Milliseconds for each picture, of the server's loop and of what encodes, while ``count`` watch."""
    async with Viewers(server, camera, way, count) as watching:
        await asyncio.sleep(_SETTLE_S)
        before, sent = await asyncio.to_thread(server.used_s), watching.pictures
        await asyncio.sleep(seconds)
        after, pictures = await asyncio.to_thread(server.used_s), (watching.pictures - sent) / count
    return 1e3 * (after[0] - before[0]) / pictures, 1e3 * (after[1] - before[1]) / pictures
