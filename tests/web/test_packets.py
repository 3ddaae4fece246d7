"""A camera's packets on their way to viewers."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import av
import pytest

from streamer.web.packets import MOST_WAITING, REORDERED, PacketHub, VideoViewer
from tests.camera import RATE
from tests.web.sent import packets, streams

HEAD = 17


async def waiting(viewer: VideoViewer) -> list[str | bytes]:
    """All that a viewer is sent without waiting."""
    await asyncio.sleep(0)  # what the other thread left
    found: list[str | bytes] = []
    while True:
        try:
            found.append(await asyncio.wait_for(viewer.next(), 0.01))
        except TimeoutError:
            return found


def test_who_comes_late_gets_the_pictures_since_the_last_key_frame(tmp_path: Path) -> None:
    now = [40 / RATE]
    hub = PacketHub("gate", clock=lambda: now[0])
    hub.begin(streams())
    for packet in packets(tmp_path)[:40]:
        hub.take(packet)

    async def watch() -> list[str | bytes]:
        viewer = VideoViewer()
        hub.fragments.join(viewer)
        return await waiting(viewer)

    codec, head, *group = asyncio.run(watch())
    assert isinstance(codec, str)
    assert json.loads(codec) == {"codec": hub.codec, "stamps": "camera_pts", "smaller": ""}
    assert hub.codec.startswith("avc1.42")
    assert isinstance(head, bytes)
    fragments = [each for each in group if isinstance(each, bytes)]
    assert len(fragments) == 14, "25 to 38; the last one is complete when the next one comes"
    with av.open(io.BytesIO(head + b"".join(each[HEAD:] for each in fragments)), "r") as video:
        shown = [frame.time for frame in video.decode(video=0)]
    assert shown == pytest.approx([number / RATE for number in range(25, 39)])
    now[0] += 2.5
    assert asyncio.run(watch()) == [codec, head], "the camera is away: what it sent last is not shown as if it were of now"


def test_a_viewer_that_takes_nothing_goes_on_at_a_key_frame_and_costs_the_others_nothing(tmp_path: Path) -> None:
    hub = PacketHub("gate")
    hub.begin(streams())
    sent = packets(tmp_path, seconds=5)

    async def watch() -> tuple[int, list[str | bytes], VideoViewer]:
        slow, quick = VideoViewer(), VideoViewer()
        hub.fragments.join(slow)
        hub.fragments.join(quick)
        taken = 0
        for packet in sent:
            hub.take(packet)
            await asyncio.sleep(0)
            while quick._waiting:
                taken += isinstance(await quick.next(), bytes)
        return taken, await waiting(slow), slow

    taken, left, slow = asyncio.run(watch())
    assert taken == 1 + len(sent) - 1, "the head, and all but the last, which is not complete"
    assert slow.cuts
    fragments = [each for each in left if isinstance(each, bytes)][1:]
    assert len(fragments) <= MOST_WAITING
    assert fragments[0][HEAD - 1] == 1, "a key frame"
    assert json.loads(str(left[0])) == {"codec": hub.codec, "stamps": "camera_pts", "smaller": ""}, (
        "what the video is, is not left out"
    )


def test_what_browsers_do_not_play_is_not_sent(tmp_path: Path) -> None:
    hub = PacketHub("gate")
    assert hub.why_not == "no packets of it have come"
    hub.begin(streams("hevc"))
    for packet in packets(tmp_path, seconds=1):
        hub.take(packet)
    assert hub.codec == ""
    assert hub.why_not == "the camera sends hevc, which browsers do not play"
    hub.begin(streams())
    for packet in packets(tmp_path, seconds=1):
        hub.take(packet)
    assert hub.why_not == ""


def test_pictures_in_another_order_go_as_mp4_but_not_by_webrtc(tmp_path: Path) -> None:
    hub = PacketHub("gate")
    hub.begin(streams())
    for packet in packets(tmp_path, "h264, reordered", seconds=1):
        hub.take(packet)
    assert hub.codec
    assert hub.why_not == ""
    assert hub.why_not_webrtc == REORDERED
