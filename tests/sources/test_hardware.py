"""Decoding on a GPU, and on the CPU where that cannot be."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.frame import Frame, plane_views
from streamer.sources import hardware
from streamer.sources.video import VideoFile
from tests.media import ffmpeg

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2")
HEVC_10_BIT = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none")
H264_444 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p")


def clip(folder: Path, *encoding: str) -> Path:
    path = folder / "clip.mkv"
    colours = ("-color_range", "pc", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=322x242:rate=30000/1001:duration=1", *encoding, *colours, path)
    return path


def read(path: Path | str, **options: object) -> tuple[VideoFile, list[Frame]]:
    source = VideoFile(path, **options)  # type: ignore[arg-type]  # options of the constructor
    source.open()
    try:
        return source, list(source.frames())
    finally:
        source.close()


def assert_same(frames: list[Frame], expected: list[Frame], tolerance: int) -> None:
    assert [(frame.pts, frame.time_base, frame.duration) for frame in frames] == [
        (frame.pts, frame.time_base, frame.duration) for frame in expected
    ]
    for one, other in zip(frames, expected, strict=True):
        for plane, same in zip(plane_views(one.picture), plane_views(other.picture), strict=True):
            assert np.abs(plane.astype(int) - same).max() <= tolerance


@pytest.mark.slow
def test_without_a_gpu_the_cpu_decodes_the_same_and_says_why(tmp_path: Path) -> None:
    path = clip(tmp_path, *H264)
    source, frames = read(path, decode="cuda")
    reason = hardware.obstacle(0)
    assert source.notes == ([f"{path} is decoded on the CPU: {reason}"] if reason else [])
    plain, expected = read(path)
    assert plain.notes == []
    assert_same(frames, expected, tolerance=1)


def test_what_the_gpu_does_not_take_is_decoded_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "obstacle", lambda _gpu: "")
    monkeypatch.setattr(hardware, "accelerator", lambda _gpu: None)
    path = clip(tmp_path, *H264_444)
    source, frames = read(path, decode="cuda")
    assert source.notes == [f"{path} is decoded on the CPU: the GPU's decoder does not take h264, yuvj444p"]
    assert len(frames) == 30


def test_a_pipe_is_decoded_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "obstacle", lambda _gpu: pytest.fail("not asked"))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = clip(tmp_path, *H264).read_bytes()
    writing = threading.Thread(target=pipe.write_bytes, args=(content,))
    writing.start()
    source, frames = read(pipe, decode="cuda")
    writing.join()
    assert "read a second time" in source.notes[0]
    assert len(frames) == 30


@pytest.mark.parametrize(("name", "gpu"), [("yuv420p", False), ("yuvj420p", False), ("nv12", True), ("p010le", True)])
def test_pictures_of_a_gpu_are_told_by_their_format(name: str, gpu: bool) -> None:
    assert hardware.made(av.VideoFrame(16, 16, name)) == gpu


@pytest.mark.gpu
@pytest.mark.parametrize("encoding", [H264, HEVC_10_BIT], ids=["h264", "hevc-10-bit"])
@pytest.mark.parametrize("start", [None, 0.5])
def test_a_gpu_decodes_the_same_pictures_at_the_same_times(
    encoding: tuple[str, ...], start: float | None, tmp_path: Path
) -> None:
    path = clip(tmp_path, *encoding)
    assert hardware.obstacle(0) == ""
    source, frames = read(path, decode="cuda", start_s=start)
    assert source.notes == []
    plain, expected = read(path, start_s=start)
    assert source.info.color == plain.info.color
    # The decoder's own arithmetic is exact; making 8 bits of 10 may round another way.
    assert_same(frames, expected, tolerance=0 if encoding is H264 else 1)


@pytest.mark.gpu
def test_a_gpu_leaves_what_it_does_not_take_to_the_cpu(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=322x242:rate=25:duration=1", "-c:v", "ffv1", path)
    source, frames = read(path, decode="cuda")
    assert "does not take ffv1" in source.notes[0]
    assert len(frames) == 25
