"""Pictures that are encoded here, once for all who watch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from streamer.errors import EncoderUnavailable
from streamer.frame import Frame, StreamInfo
from streamer.instances import Instances
from streamer.sinks.live_encoder import LiveEncoder
from streamer.stages import Annotated
from streamer.web import encoded_video
from streamer.web.encoded_video import EncodedVideo
from streamer.web.feed import Feed, FeedOutput
from streamer.web.packets import EncodedPicture, VideoHead
from tests.waiting import wait_until

INFO = StreamInfo(source="gate", width=640, height=360, time_base=Fraction(1, 90_000), rate=Fraction(25), live=True)


def item(number: int, size: tuple[int, int] = (640, 360)) -> Annotated:
    rng = np.random.default_rng(number)
    picture = av.VideoFrame.from_ndarray(rng.integers(0, 255, (size[1] * 3 // 2, size[0]), np.uint8), format="yuv420p")
    frame = Frame(
        picture=picture, index=number, pts=3600 * number, time_base=Fraction(1, 90_000), source="gate", captured_at=number / 25
    )
    return Annotated(frame, Instances.empty())


class Seen:
    """Implements ``relay.Watching``."""

    def __init__(self) -> None:
        self.heads: list[VideoHead] = []
        self.pictures: list[EncodedPicture] = []
        self.refused: list[str] = []

    def begin(self, head: VideoHead, group: tuple[EncodedPicture, ...] = ()) -> None:
        self.heads.append(head)
        self.pictures += group

    def put(self, picture: EncodedPicture) -> None:
        self.pictures.append(picture)

    def refuse(self, why: str) -> None:
        self.refused.append(why)


def decoded(pictures: list[EncodedPicture]) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    found = [frame for picture in pictures for frame in decoder.decode(av.Packet(picture.data))]
    return found + list(decoder.decode(None))


def test_all_who_watch_get_the_same_pictures_with_their_own_times() -> None:
    video = EncodedVideo("gate", 1280)

    async def run() -> tuple[Seen, Seen]:
        first, later = Seen(), Seen()
        video.hub.pictures.join(first)
        for number in range(5):
            video.encode(item(number), INFO)
        await asyncio.sleep(0)
        video.hub.pictures.join(later)
        for number in range(5, 8):
            video.encode(item(number), INFO)
        await asyncio.sleep(0)
        return first, later

    first, later = asyncio.run(run())
    assert [picture.stamp for picture in first.pictures] == [3600 * number for number in range(8)]
    assert later.pictures == first.pictures, "who comes later gets those since the key frame"
    assert [picture.key for picture in first.pictures] == [True] + 7 * [False]
    assert first.heads[0].stamps == "pts"
    assert len(decoded(first.pictures)) == 8


@pytest.mark.parametrize(
    ("size", "most", "wanted"), [((640, 360), 1280, (640, 360)), ((640, 360), 320, (320, 180)), ((639, 359), 1280, (640, 360))]
)
def test_wide_pictures_are_made_smaller(size: tuple[int, int], most: int, wanted: tuple[int, int]) -> None:
    video = EncodedVideo("gate", most)

    async def run() -> Seen:
        seen = Seen()
        video.hub.pictures.join(seen)
        info = replace(INFO, width=size[0], height=size[1])
        for number in range(3):
            even = item(number, (640, 360))
            video.encode(even, info)
        await asyncio.sleep(0)
        return seen

    frames = decoded(asyncio.run(run()).pictures)
    assert {(frame.width, frame.height) for frame in frames} == {wanted}


def test_a_key_frame_comes_when_it_is_wanted_and_another_stream_begins_anew() -> None:
    video = EncodedVideo("gate", 1280)

    async def run() -> Seen:
        seen = Seen()
        video.hub.pictures.join(seen)
        assert video.hub.make_key is not None
        for number in range(4):
            if number == 2:
                video.hub.make_key()
            video.encode(item(number), INFO)
        video.encode(item(0), INFO)  # its time has gone back
        video.encode(item(1), replace(INFO, width=320, height=180))
        await asyncio.sleep(0)
        return seen

    seen = asyncio.run(run())
    assert [picture.key for picture in seen.pictures] == [True, False, True, False, True, True]
    assert len(seen.heads) == 3


class Encoders:
    """Stands for the class of encoders: raises ``error`` while there is one, and counts."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.made = 0

    def __call__(self, info: StreamInfo) -> LiveEncoder:
        self.made += 1
        if self.error is not None:
            raise self.error
        return LiveEncoder(info)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (EncoderUnavailable("libx264 cannot encode 640x360"), "libx264 cannot encode 640x360"),
        (
            RuntimeError("no such thing at rtsp://user:secret@camera.example/1"),
            "RuntimeError: no such thing at rtsp://user:***@camera.example/1",
        ),
    ],
    ids=["no encoder", "a bug"],
)
def test_what_cannot_be_encoded_is_told_and_tried_again_after_a_pause(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, told: str
) -> None:
    encoders = Encoders(error)
    monkeypatch.setattr(encoded_video, "LiveEncoder", encoders)
    now = [100.0]
    video = EncodedVideo("gate", 1280, clock=lambda: now[0])

    async def run() -> Seen:
        seen = Seen()
        video.hub.pictures.join(seen)
        for number in range(250):  # ten seconds of pictures
            video.encode(item(number), INFO)
            now[0] += 1 / 25
        assert video.hub.is_refused
        encoders.error = None
        now[0] += 30
        for number in range(250, 320):
            video.encode(item(number), INFO)
            now[0] += 1 / 25
        await asyncio.sleep(0)
        return seen

    seen = asyncio.run(run())
    assert 5 <= len(seen.refused) == encoders.made - 1 <= 15, "not for each picture"
    assert set(seen.refused) == {f"its pictures cannot be encoded: {told}"}
    assert len(seen.pictures) == 70, "who watches sees on"
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert lines == ["gate: its pictures cannot be encoded, other ways go on", "gate: its pictures are encoded again"]


@pytest.fixture
def feed() -> Iterator[Feed]:
    made = Feed("gate")
    yield made
    made.close()


def test_it_is_encoded_while_somebody_watches_and_only_then(feed: Feed) -> None:
    class Reader:
        def tell(self, text: str) -> None:
            assert text

    output = FeedOutput(feed, INFO, {1: "person"})

    async def run() -> None:
        seen, reader = Seen(), Reader()
        video = feed.video
        assert video is feed.encoded.hub
        for number in range(3):
            output.write(item(number))
        assert not video.codec, "nobody watches"
        video.pictures.join(seen)
        feed.read(reader)
        number = 3
        while not seen.pictures:
            output.write(item(number))
            number += 1
            await asyncio.sleep(0.01)
        video.pictures.leave(seen)
        feed.read_no_more(reader)

    asyncio.run(run())
    wait_until(lambda: feed.encoded._encoder is None, what="nobody watches any more")
