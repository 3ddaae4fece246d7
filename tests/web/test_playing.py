"""Sending video to a viewer that leaves."""

from __future__ import annotations

import asyncio
from typing import Any

from streamer.web.feed import Feed
from streamer.web.packets import VideoViewer
from streamer.web.wall import _play, _Playing


class Socket:
    """Takes what is sent when it is told to."""

    def __init__(self) -> None:
        self.taken = asyncio.Event()

    async def send_str(self, _: str) -> None:
        await self.taken.wait()


def test_who_leaves_in_the_moment_in_which_a_picture_was_sent_is_sent_no_more() -> None:
    async def leave(turns: int) -> None:
        viewer = VideoViewer()
        socket: Any = Socket()
        sending = asyncio.ensure_future(_play(socket, viewer, _Playing(feed, viewer)))
        viewer.tell("{}")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        socket.taken.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        sending.cancel()
        done, _ = await asyncio.wait([sending], timeout=5)
        assert done

    feed = Feed("gate")
    try:
        for turns in range(5):
            asyncio.run(leave(turns))
    finally:
        feed.close()
