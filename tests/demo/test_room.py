"""Clips that are brought."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import av
import numpy as np
import pytest

pytest.importorskip("aiortc")
from streamer.demo.player import Player
from streamer.demo.room import BadClip, bounded, check_clip
from streamer.frame import Frame
from tests.waiting import wait_until


def clip(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in range(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * shade, np.uint8))))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv", ".avi"])
def test_clips_are_taken_whatever_they_are_called(tmp_path: Path, suffix: str) -> None:
    check_clip(clip(tmp_path / f"clip{suffix}").rename(tmp_path / "clip"))


@pytest.mark.parametrize("head", [b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n", b"ffconcat version 1.0\nfile "])
@pytest.mark.parametrize("address", [b"http://127.0.0.1:9/none.ts", b"/etc/hostname"])
def test_a_list_of_addresses_is_no_clip(tmp_path: Path, head: bytes, address: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(head + address + b"\n")
    with pytest.raises(BadClip, match="no clip"):
        check_clip(path)


@pytest.mark.parametrize("head", [b"#EXTM3U\n#EXTINF:1,\n", b"ffconcat version 1.0\nfile "])
def test_a_list_with_a_clip_behind_it_is_refused_or_played_as_a_clip(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "both"
    path.write_bytes(head + b"http://127.0.0.1:9/none.ts\n#" + clip(tmp_path / "other.ts").read_bytes())
    try:
        check_clip(path)
    except BadClip:
        return
    with av.open(str(path)) as played:  # as the player opens it
        assert played.format.name == "mpegts"


def test_a_player_that_an_unforeseen_error_ends_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def take(_: Frame) -> None:
        raise RuntimeError("nobody thought of this")

    told: list[str] = []
    player = Player("test:", take, told.append)
    try:
        wait_until(lambda: told)
        assert told == ["an unforeseen error, which the log of streamer names"]
        assert "nobody thought of this" in caplog.text
    finally:
        player.close()


def test_sound_alone_is_none(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(BadClip, match="no picture"):
        check_clip(path)


def test_a_clip_that_is_too_large_is_cut_off() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(1_000_000)

    async def taken() -> int:
        return sum([len(chunk) async for chunk in bounded(chunks(), 2_000_000)])

    with pytest.raises(BadClip, match="2 MB at most"):
        asyncio.run(taken())
