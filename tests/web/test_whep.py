"""Video by WebRTC over real sockets; the browser is aiortc here."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import av
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("aiortc")
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription

from streamer.sources.packets import CameraPacket
from streamer.web import video_peer
from streamer.web.access import Access
from streamer.web.line import Line
from streamer.web.packets import REORDERED
from streamer.web.server import WebServer
from streamer.web.wall import Wall, wall_app
from tests.camera import RATE
from tests.waiting import wait_until
from tests.web.sent import packets, sending, streams
from tests.web.test_access import NOTHING

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

STEP = 3600
"""Ticks from one picture to the next."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[CameraPacket]:
    """Ten seconds with one key frame."""
    return packets(tmp_path_factory.mktemp("camera"), seconds=10, gop=10 * RATE)


@pytest.fixture
def served(found: list[CameraPacket]) -> Iterator[tuple[str, Wall]]:
    """A wall with a camera that sends these."""
    wall = Wall(["gate"])
    hub = wall.feeds["gate"].hub
    assert hub is not None
    access = Access(host="127.0.0.1")
    with WebServer("0", lambda: wall_app(wall, access, NOTHING, lambda: [{"name": "gate"}])) as server, sending(hub, found):
        wait_until(lambda: hub.codec)
        yield server.url, wall
    wall.close()


def h264_only(browser: RTCPeerConnection) -> None:
    known = RTCRtpReceiver.getCapabilities("video")
    assert known is not None
    for transceiver in browser.getTransceivers():
        transceiver.setCodecPreferences([codec for codec in known.codecs if codec.mimeType in ("video/H264", "video/rtx")])


async def offered(kind: str = "video") -> tuple[RTCPeerConnection, str]:
    browser = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    browser.addTransceiver(kind, direction="recvonly")
    if kind == "video":
        h264_only(browser)
    await browser.setLocalDescription(await browser.createOffer())
    return browser, browser.localDescription.sdp


class Watching:
    """What a browser that watches has."""

    def __init__(self, http: aiohttp.ClientSession, url: str, location: str, browser: RTCPeerConnection, track: Any) -> None:
        self.http = http
        self.location = location
        self.browser = browser
        self.track = track
        self.url = url + location

    async def picture(self) -> av.VideoFrame:
        frame = await asyncio.wait_for(self.track.recv(), 30)
        assert isinstance(frame, av.VideoFrame)
        return frame


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[Watching]:
    async with aiohttp.ClientSession() as http:
        browser, offer = await offered()
        came: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        browser.on("track", came.set_result)
        try:
            async with http.post(
                f"{url}/api/cameras/gate/whep", data=offer, headers={"Content-Type": "application/sdp"}
            ) as answer:
                assert answer.status == 201, await answer.text()
                assert answer.content_type == "application/sdp"
                location, sdp = answer.headers["Location"], await answer.text()
            await browser.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))
            yield Watching(http, url, location, browser, await asyncio.wait_for(came, 30))
        finally:
            await browser.close()


def number_in(picture: av.VideoFrame) -> int:
    row = picture.to_ndarray(format="gray")[-8]
    return sum(int(row[16 * bit + 8] > 128) << bit for bit in range(8))


def gone(wall: Wall) -> None:
    wait_until(lambda: wall.viewers == 0, what="the viewer has gone")


def test_who_comes_in_the_middle_sees_all_from_the_key_frame_on_and_is_told_which_picture_is_which(
    served: tuple[str, Wall],
) -> None:
    url, wall = served

    async def run() -> tuple[list[int], list[dict[str, Any]], list[int]]:
        async with watching(url) as viewer, viewer.http.ws_connect(viewer.url) as told:
            seen: list[int] = []
            said: list[dict[str, Any]] = []
            times: list[int] = []
            for _ in range(40):
                picture = await viewer.picture()
                seen.append(number_in(picture))
                times.append(picture.pts or 0)
            assert json.loads((await told.receive(30)).data) == {"stamps": "camera_pts"}
            while len(said) < 40:
                said.append(json.loads((await told.receive(30)).data))
        return seen, said, times

    seen, said, times = asyncio.run(run())
    assert seen == [number % 256 for number in range(40)]
    stamps = [each["stamp"] for each in said]
    assert [(stamp - stamps[0]) // STEP for stamp in stamps] == list(range(40))
    rtp = [each["rtp"] for each in said]
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert min(steps) > 0
    assert [(later - earlier) % 2**32 for earlier, later in pairwise(rtp)] == steps
    gone(wall)


def test_a_goodbye_ends_it_and_the_page_is_told(served: tuple[str, Wall]) -> None:
    url, wall = served

    async def run() -> tuple[int, int | None, int]:
        async with watching(url) as viewer, viewer.http.ws_connect(viewer.url) as told:
            await viewer.picture()
            async with viewer.http.delete(viewer.url) as answer:
                status = answer.status
            async for _ in told:
                pass
            async with viewer.http.delete(viewer.url) as answer:
                return status, told.close_code, answer.status

    assert asyncio.run(run()) == (200, 4000, 404)
    gone(wall)


def test_a_page_that_vanishes_takes_its_session_along(served: tuple[str, Wall]) -> None:
    url, wall = served

    async def run() -> None:
        async with watching(url) as viewer:
            async with viewer.http.ws_connect(viewer.url):
                await viewer.picture()
                assert wall.viewers == 1
            await asyncio.to_thread(gone, wall)  # its connection by WebRTC is still open

    asyncio.run(run())


def test_a_viewer_that_stalls_is_sent_away_and_told(served: tuple[str, Wall], monkeypatch: pytest.MonkeyPatch) -> None:
    url, wall = served
    monkeypatch.setattr(video_peer, "STALLED_S", 0.5)
    monkeypatch.setattr(video_peer, "_CHECK_S", 0.05)

    async def run() -> tuple[int | None, str]:
        async with watching(url) as viewer, viewer.http.ws_connect(viewer.url) as told:
            await viewer.picture()
            for receiver in viewer.browser.getReceivers():  # it reports nothing any more
                vars(receiver)["_RTCRtpReceiver__rtcp_task"].cancel()
            while (message := await told.receive(30)).type is aiohttp.WSMsgType.TEXT:
                pass
            return message.data, str(message.extra)

    assert asyncio.run(run()) == (4000, "it has taken no picture for 0 s")
    gone(wall)


def test_a_viewer_whose_line_is_too_thin_gets_smaller_pictures_and_the_others_do_not(
    served: tuple[str, Wall], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, wall = served
    feed = wall.feeds["gate"]
    asked: list[Line] = []

    def is_first(line: Line, *_: float) -> bool:
        asked.append(line)
        return line is asked[0]

    monkeypatch.setattr(video_peer, "_CHECK_S", 0.05)
    monkeypatch.setattr(Line, "is_too_thin", is_first)

    async def run() -> tuple[str, int]:
        async with watching(url) as viewer, viewer.http.ws_connect(viewer.url) as told:
            said: dict[str, Any] = {}
            while "smaller" not in said:
                said = json.loads((await told.receive(30)).data)
            assert feed.hub is not None
            async with watching(url) as other:
                await other.picture()
                assert feed.smaller[0].watched
                return said["smaller"], feed.hub.pictures.viewers

    text, left = asyncio.run(run())
    assert text.startswith("a smaller picture: the line takes")
    assert left == 1


@pytest.mark.parametrize(
    ("path", "kind", "offer", "status"),
    [
        ("gate", "text/plain", "v=0", 415),
        ("gate", "application/sdp", "v=0", 406),
        ("gate", "application/sdp", "v=0\r\na=rtpmap:96 H264/90000\r\nm=nonsense", 400),
        ("gate", "application/sdp; charset=none", "v=0", 400),
        ("gate", "application/sdp", "a=rtpmap:96 H264/90000\r\n" * 3000, 413),
        ("nobody", "application/sdp", "v=0", 404),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(
    served: tuple[str, Wall], path: str, kind: str, offer: str, status: int
) -> None:
    url, wall = served
    answer = httpx.post(f"{url}/api/cameras/{path}/whep", content=offer, headers={"Content-Type": kind}, timeout=30)
    assert answer.status_code == status
    assert answer.text.strip()
    assert wall.viewers == 0


def test_pictures_in_another_order_are_refused_and_the_page_goes_on_by_mse(tmp_path: Path) -> None:
    wall = Wall(["gate"])
    hub = wall.feeds["gate"].hub
    assert hub is not None
    hub.begin(streams())
    for packet in packets(tmp_path, "h264, reordered", seconds=1):
        hub.take(packet)
    access = Access(host="127.0.0.1")
    with WebServer("0", lambda: wall_app(wall, access, NOTHING, lambda: [{"name": "gate"}])) as server:
        offer = "v=0\r\na=rtpmap:96 H264/90000\r\n"
        path = f"{server.url}/api/cameras/gate/whep"
        answer = httpx.post(path, content=offer, headers={"Content-Type": "application/sdp"})
        (camera,) = httpx.get(f"{server.url}/api/cameras").json()["cameras"]
    wall.close()
    assert (answer.status_code, answer.text) == (409, REORDERED + "\n")
    assert camera["why_not_webrtc"] == REORDERED
    assert camera["video"].startswith("avc1.")


def test_sessions_that_are_not_there_are_not_found(served: tuple[str, Wall]) -> None:
    url, _ = served
    assert httpx.delete(f"{url}/api/cameras/gate/whep/nobody").status_code == 404
    assert httpx.get(f"{url}/api/cameras/gate/whep/nobody").status_code == 404
    assert httpx.patch(f"{url}/api/cameras/gate/whep/nobody").status_code == 405


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_offer_is_answered_or_refused_and_nothing_stays(served: tuple[str, Wall], data: st.DataObject) -> None:
    url, wall = served

    async def one() -> str:
        browser, offer = await offered()
        await browser.close()
        return offer

    lines = asyncio.run(one()).split("\r\n")
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = data.draw(st.one_of(st.just(""), st.text(max_size=30), st.sampled_from(lines), st.just(lines[at][:-3])))
    path = f"{url}/api/cameras/gate/whep"
    content = "\r\n".join(lines).encode("utf-8", "replace")
    answer = httpx.post(path, content=content, headers={"Content-Type": "application/sdp"}, timeout=30)
    assert answer.status_code in (201, 400, 406)
    if answer.status_code == 201:
        assert httpx.delete(url + answer.headers["Location"]).status_code == 200
    assert wall.viewers == 0


def test_a_camera_that_is_called_by_its_address_has_sessions_too(found: list[CameraPacket]) -> None:
    name = "rtsp://camera.example:554/one?two#three %2f ü"
    wall = Wall([name])
    hub = wall.feeds[name].hub
    assert hub is not None

    async def offer() -> str:
        browser, said = await offered()
        await browser.close()
        return said

    access = Access(host="127.0.0.1")
    with WebServer("0", lambda: wall_app(wall, access, NOTHING, list)) as server, sending(hub, found):
        wait_until(lambda: hub.codec)
        path = f"{server.url}/api/cameras/{quote(name, safe='')}/whep"
        answer = httpx.post(path, content=asyncio.run(offer()), headers={"Content-Type": "application/sdp"}, timeout=30)
        assert answer.status_code == 201
        assert answer.headers["Location"].startswith("/api/cameras/rtsp%3A%2F%2Fcamera.example%3A554%2Fone")
        assert httpx.delete(server.url + answer.headers["Location"]).status_code == 200
    wall.close()


def test_the_server_ends_with_those_who_watch(tmp_path: Path) -> None:
    wall = Wall(["gate"])
    hub = wall.feeds["gate"].hub
    assert hub is not None
    access = Access(host="127.0.0.1")
    server = WebServer("0", lambda: wall_app(wall, access, NOTHING, list))
    ended = threading.Event()

    async def run() -> None:
        async with watching(server.url) as viewer, viewer.http.ws_connect(viewer.url) as told:
            await viewer.picture()
            await asyncio.to_thread(server.close)
            async for _ in told:
                pass
            ended.set()

    with sending(hub, packets(tmp_path)):
        wait_until(lambda: hub.codec)
        asyncio.run(run())
    assert ended.is_set()
    assert wall.viewers == 0
    wall.close()
