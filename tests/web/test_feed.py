"""Pictures on their way to viewers: the newest, or why none come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from streamer.frame import Frame
from streamer.instances import Instances
from streamer.stages import Annotated
from streamer.web import feed as module
from streamer.web.feed import Feed, FeedOutput, Shown, Viewer
from tests.fakes import INFO, frame

LABELS = {1: "person"}


@pytest.fixture
def feed() -> Iterator[Feed]:
    made = Feed("gate")
    yield made
    made.close()


async def first(feed: Feed) -> Shown | str:
    viewer = Viewer(drawn=False)
    feed.join(viewer)
    try:
        return await asyncio.wait_for(viewer.next(), 10)
    finally:
        feed.leave(viewer)


def item(picture: Frame) -> Annotated:
    return Annotated(picture, Instances.empty())


def test_who_comes_while_no_frames_do_is_told_why_at_once(feed: Feed) -> None:
    output = FeedOutput(feed, INFO, LABELS)
    output.write(item(frame(0)))
    output.idle("reconnecting, 12 s")
    assert asyncio.run(first(feed)) == "reconnecting, 12 s"
    output.write(item(frame(1)))
    shown = asyncio.run(first(feed))
    assert isinstance(shown, Shown)
    assert shown.clean.startswith(b"\xff\xd8")
    assert not shown.drawn, "nobody asked for it"


def test_what_cannot_be_encoded_is_logged_once_and_told_to_viewers(
    feed: Feed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> Shown:
        raise RuntimeError("no memory")

    monkeypatch.setattr(module, "encoded", fail)
    monkeypatch.setattr(module, "_AGAIN_S", 0.0)
    caplog.set_level(logging.ERROR)
    output = FeedOutput(feed, INFO, LABELS)
    for index in range(3):
        output.write(item(replace(frame(index))))
        told = asyncio.run(first(feed))
        assert told == "pictures cannot be encoded; the log of streamer says why"
    assert caplog.text.count("cannot be encoded for the web") == 1
