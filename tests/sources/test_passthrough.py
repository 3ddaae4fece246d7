"""The second reader of a recording: it opens without decoding what is shown, and knows the same of all streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.sources.passthrough import Passthrough
from streamer.sources.video import VideoFile
from tests.media import ffmpeg


def _recording(path: Path) -> VideoFile:
    """Two videos behind a sound that begins later, with B-frames."""
    ffmpeg(
        *("-f", "lavfi", "-i", "sine=duration=1", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1"),
        *("-map", "0", "-map", "1", "-map", "1", "-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac"),
        *("-output_ts_offset", "0.7", path),
    )
    source = VideoFile(path)
    source.open()
    return source


@pytest.mark.parametrize(("name", "decoded"), [("clip.mp4", False), ("clip.mov", False), ("clip.mkv", True)])
def test_the_shown_video_is_not_decoded_where_the_head_tells_its_times(tmp_path: Path, name: str, decoded: bool) -> None:
    source = _recording(tmp_path / name)
    reader = Passthrough(source)
    formats = {video.index: video.codec_context.pix_fmt for video in reader.container.streams.video}
    assert source.stream_index == 1
    assert formats == {1: "yuv420p" if decoded else None, 2: "yuv420p"}
    reader.close()
    source.close()


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_it_knows_the_same_of_all_streams_as_the_first_reader(tmp_path: Path, name: str) -> None:
    source = _recording(tmp_path / name)
    reader, first = Passthrough(source), source._container
    assert first is not None
    assert reader.container.start_time == first.start_time
    assert [(s.type, s.start_time, s.duration, s.time_base) for s in reader.streams] == [
        (s.type, s.start_time, s.duration, s.time_base) for s in first.streams
    ]
    reader.close()
    source.close()
