"""Animated WebP: read as the video that it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer.errors import SourceUnsupported
from streamer.sources.video import VideoFile


def animation(path: Path) -> Path:
    """Five pictures, each brighter than the one before, at uneven times."""
    moving = cv2.Animation()
    moving.frames = [np.full((64, 96, 3), 40 * n + 20, np.uint8) for n in range(5)]
    moving.durations = np.array([100, 200, 100, 300, 100])  # type: ignore[assignment]  # the stub says a list, which OpenCV refuses
    assert cv2.imwriteanimation(str(path), moving)
    return path


def test_every_picture_comes_at_its_time(tmp_path: Path) -> None:
    source = VideoFile(animation(tmp_path / "moves.webp"))
    source.open()
    frames = list(source.frames())
    source.close()
    assert not source.still
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.3, 0.4, 0.7])
    assert [int(frame.rgb()[30, 30, 0]) for frame in frames] == pytest.approx([20, 60, 100, 140, 180], abs=3)


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    whole = animation(tmp_path / "moves.webp").read_bytes()
    (tmp_path / "cut.webp").write_bytes(whole[:60])
    with pytest.raises(SourceUnsupported, match="animated WebP that cannot be decoded"):
        VideoFile(tmp_path / "cut.webp").open()


def test_one_that_memory_cannot_hold_is_refused(tmp_path: Path) -> None:
    whole = bytearray(animation(tmp_path / "moves.webp").read_bytes())
    whole[24:30] = b"\xff\x3f\0\xff\x3f\0"
    (tmp_path / "huge.webp").write_bytes(whole)
    with pytest.raises(SourceUnsupported, match="too large"):
        VideoFile(tmp_path / "huge.webp").open()
