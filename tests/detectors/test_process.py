"""Detectors in processes of their own, at one recording."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import streamer
from streamer.errors import ConfigError, DetectorUnavailable, StageFailed
from tests.media import ffmpeg


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames, then five that are white, of a size of which x264 makes the same bytes each time; of 96x64 it does not."""
    path = tmp_path_factory.mktemp("process") / "in.mp4"
    scenes = "testsrc2=s=128x64:r=10:d=1[a];color=white:s=128x64:r=10:d=0.5[b];[a][b]concat,format=yuv420p"
    ffmpeg("-f", "lavfi", "-i", scenes, "-f", "lavfi", "-i", "sine=d=1.5", path)
    return path


@pytest.mark.parametrize("track", [False, True])
def test_the_files_are_those_of_one_process(recording: Path, tmp_path: Path, track: bool) -> None:
    for workers in (1, 2):
        streamer.annotate(
            recording,
            tmp_path / f"{workers}.mp4",
            detections=tmp_path / f"{workers}.jsonl",
            detector="tests.bright:Bright",
            workers=workers,
            track=track,
        )
    assert (tmp_path / "1.mp4").read_bytes() == (tmp_path / "2.mp4").read_bytes()
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()


def test_a_process_that_dies_ends_the_run_with_what_was_done(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match=r"the process of the detector .* has ended with -9.*the \d+ frames before"):
        streamer.annotate(recording, tmp_path / "out.mp4", detector="tests.archive.deadly:Deadly", workers=2)
    assert (tmp_path / "out.mp4").exists()


def test_what_loading_raises_comes_through(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(DetectorUnavailable, match="no device"):
        streamer.annotate(recording, tmp_path / "out.mp4", detector="tests.bright:Cold", workers=2)
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # of names only


def test_frames_that_are_followed_cannot_be_shared(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--inference-interval"):
        streamer.annotate(recording, tmp_path / "out.mp4", workers=2, inference_interval=5)
