"""Clips of recordings: whole pictures from a key frame on, bit for bit, never shorter than asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import av
import pytest

from streamer.errors import OutputWriteFailed
from streamer.recording.file_clip import cut_file
from streamer.recording.segment_file import read_start_note

RATE = 10
SECONDS = 6


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds with B-frames, a key frame every two, and sound."""
    path = tmp_path_factory.mktemp("recording") / "in.mp4"
    sources = ["-f", "lavfi", "-i", f"testsrc=r={RATE}:s=64x64:d={SECONDS}", "-f", "lavfi", "-i", f"sine=d={SECONDS}"]
    codecs = ["-c:v", "libx264", "-bf", "3", "-x264-params", "keyint=20:min-keyint=20:scenecut=0", "-c:a", "aac"]
    subprocess.run(["ffmpeg", "-v", "error", *sources, *codecs, str(path)], check=True)
    return path


def pictures(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".mov", ".avi"])
@pytest.mark.parametrize(
    ("start", "end", "first", "least"), [(3.3, 4.6, 20, 26), (-5, 1, 0, 10), (2.0, 99, 20, 40), (9, 12, 40, 20)]
)
def test_a_clip_begins_at_a_key_frame_and_reaches_its_end(
    recording: Path, tmp_path: Path, suffix: str, start: float, end: float, first: int, least: int
) -> None:
    source, target = tmp_path / f"in{suffix}", tmp_path / f"clip{suffix}"
    # B-frames do not fit into AVI.
    codec = ["-c:v", "mpeg4", "-g", "20", "-c:a", "mp3"] if suffix == ".avi" else ["-c", "copy"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(recording), *codec, str(source)], check=True)
    with av.open(str(source)) as container:
        begins = (container.start_time or 0) / 1e6
    span = cut_file(source, 0, begins + start, begins + end, target)
    assert span is not None
    whole, cut = pictures(source), pictures(target)
    at = whole.index(cut[0])
    assert cut == whole[at : at + len(cut)]
    assert at <= first
    assert at + len(cut) >= min(len(whole), first + least - (suffix == ".avi"))  # in which FFmpeg's first picture is at 0.1 s
    assert list(tmp_path.glob(".*")) == []
    with av.open(str(target)) as container:
        assert container.streams.audio


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".mov"])
def test_a_clip_says_when_it_begins(recording: Path, tmp_path: Path, suffix: str) -> None:
    source, target = tmp_path / f"in{suffix}", tmp_path / f"clip{suffix}"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(recording), "-c", "copy", str(source)], check=True)
    with av.open(str(source)) as container:
        begins = (container.start_time or 0) / 1e6
    span = cut_file(source, 0, begins + 2.5, begins + 3.0, target, began_utc_s=1_767_225_600.25)
    assert span is not None
    with av.open(str(target)) as container:
        noted = read_start_note(container.metadata)
    if suffix == ".ts":
        assert noted is None, "transport streams hold no tags"
    else:
        assert noted is not None
        assert noted[0].timestamp() == pytest.approx(1_767_225_600.25 + span[0], abs=2e-6)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(b"no video at all")
    with pytest.raises(OutputWriteFailed, match=r"clip\.mp4 cannot be written"):
        cut_file(tmp_path / "in.mp4", 0, 0.0, 1.0, tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()
