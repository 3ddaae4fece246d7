"""Connections to browsers, whose other end is aiortc here."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("aiortc")
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.rtp import unpack_header_extensions

from streamer.web import peer
from streamer.web.peer import PLAYOUT_DELAY, BadOffer, Peer

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


async def offer_of(kind: str = "video", *, bare: bool = True) -> tuple[RTCPeerConnection, str]:
    browser = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    if bare:
        browser.addTransceiver(kind, direction="recvonly")
    else:
        browser.addTrack(VideoStreamTrack())
    await browser.setLocalDescription(await browser.createOffer())
    return browser, browser.localDescription.sdp


def test_pictures_come_and_go_and_a_goodbye_ends_it_once() -> None:
    async def run() -> tuple[list[str], str]:
        ended: list[str] = []
        came = asyncio.Event()
        there = Peer(lambda _: came.set(), ended.append)
        browser, offer = await offer_of(bare=False)
        received = asyncio.get_running_loop().create_future()
        browser.on("track", lambda track: received.set_result(track))
        answer = await there.answer(offer)
        await browser.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        await asyncio.wait_for(came.wait(), 20)
        track = await received

        async def put() -> None:
            for number in range(1_000_000):
                there.outgoing.put(av.VideoFrame(640, 480, "yuv420p"), 3000 * number)
                await asyncio.sleep(0)

        putting = asyncio.create_task(put())
        picture = await asyncio.wait_for(track.recv(), 20)
        putting.cancel()
        await there.close("goodbye")
        await there.close("again")
        await browser.close()
        return ended, f"{picture.width}x{picture.height}"

    assert asyncio.run(run()) == (["goodbye"], "640x480")


def test_h264_is_answered_first_and_no_address_is_asked_of_others() -> None:
    async def run() -> str:
        there = Peer(None, lambda _: None)
        browser, offer = await offer_of()
        answer = await there.answer(offer)
        await there.close()
        await browser.close()
        return answer

    lines = asyncio.run(run()).splitlines()
    first = next(line for line in lines if line.startswith("m=video")).split()[3]
    assert any(line.startswith(f"a=rtpmap:{first} H264/") for line in lines)
    assert not [line for line in lines if "typ srflx" in line]


def test_who_never_connects_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "CONNECT_S", 0.05)

    async def run() -> str:
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        there = Peer(None, ended.set_result)
        browser, offer = await offer_of()
        await there.answer(offer)
        reason = await asyncio.wait_for(ended, 20)
        await browser.close()
        return reason

    assert asyncio.run(run()) == "no connection within 0 s"


def test_the_newest_picture_wins() -> None:
    async def run() -> list[int]:
        outgoing = peer.Outgoing()
        for pts in (0, 3000, 2000):
            outgoing.put(av.VideoFrame(16, 16, "yuv420p"), pts)
        first = await outgoing.recv()
        assert first.time_base == Fraction(1, 90_000)
        outgoing.put(av.VideoFrame(16, 16, "yuv420p"), 9000)
        second = await outgoing.recv()
        return [first.pts or 0, second.pts or 0]

    assert asyncio.run(run()) == [3000, 9000]


async def refused(offer: str) -> bool:
    ended: list[str] = []
    there = Peer(None, ended.append)
    try:
        await there.answer(offer)
    except BadOffer:
        return True
    finally:
        await there.close("over")
        assert ended == ["over"]
    return False


@pytest.mark.parametrize("offer", ["", "v=0", "nonsense\r\n", "v=0\r\n" * 20_000])
def test_what_is_no_offer_is_refused(offer: str) -> None:
    assert asyncio.run(refused(offer))


def test_an_offer_without_a_picture_is_refused() -> None:
    async def run() -> bool:
        browser, offer = await offer_of("audio")
        await browser.close()
        return await refused(offer)

    assert asyncio.run(run())


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_broken_offers_are_answered_or_refused_but_never_more(data: st.DataObject) -> None:
    async def run() -> None:
        browser, offer = await offer_of()
        await browser.close()
        lines = offer.split("\r\n")
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(lines) - 1))
            lines[at] = data.draw(st.one_of(st.just(""), st.text(max_size=30), st.sampled_from(lines), st.just(lines[at][:-3])))
        await refused("\r\n".join(lines))

    asyncio.run(run())


@pytest.mark.parametrize("knows", [True, False])
def test_browsers_that_know_how_are_told_to_show_each_picture_at_once(knows: bool) -> None:
    """The number of the extension in the browser's offer, and what each packet that is sent says by it: 0 to 0 ms."""

    async def run() -> None:
        there = Peer(None, lambda _: None)
        browser, offer = await offer_of()
        line = next(line for line in offer.splitlines(keepends=True) if PLAYOUT_DELAY in line)
        answer = await there.answer(offer.replace(line, line.replace(":4 ", ":11 ") if knows else ""))
        sent: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        send = there.sender.transport._send_rtp

        async def sending(data: bytes) -> None:
            if not sent.done() and data[1] & 0x7F not in range(72, 77):  # not RTCP (RFC 5761, 4)
                sent.set_result(data)
            await send(data)

        there.sender.transport._send_rtp = sending  # type: ignore[method-assign]
        await browser.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        there.outgoing.put(av.VideoFrame(64, 48, "yuv420p"), 0)
        data = await asyncio.wait_for(sent, 20)
        await there.close()
        await browser.close()
        profile, words = int.from_bytes(data[12:14]), int.from_bytes(data[14:16])
        found = dict(unpack_header_extensions(profile, data[16 : 16 + 4 * words]))
        assert len(found) == 2 + knows, "besides mid and abs-send-time"
        assert found.get(11) == (bytes(3) if knows else None)

    asyncio.run(run())
