"""FFmpeg, protocols, window, disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from streamer.doctor import surroundings
from streamer.doctor.finding import Verdict


def test_ffmpeg_and_the_protocols_of_cameras_are_tried_for_real() -> None:
    (encodes,) = surroundings.ffmpeg()
    assert encodes.verdict is Verdict.OK
    (speaks,) = surroundings.protocols()
    assert speaks.text == "FFmpeg speaks rtsp, rtmp, http, https"


def test_a_protocol_that_ffmpeg_does_not_speak_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "_OPENING", {"http": b"GET ", "gopherx": b"?"})
    (finding,) = surroundings.protocols()
    assert (finding.verdict, finding.text) == (Verdict.BROKEN, "FFmpeg does not speak gopherx")


def test_without_a_display_there_is_no_window() -> None:
    (finding,) = surroundings.window({})
    assert (finding.verdict, finding.fatal) == (Verdict.MISSING, False)
    assert "DISPLAY is not set" in finding.text


def test_the_disk_is_judged_by_its_space_and_by_what_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free, cache, temporary = surroundings.disk(tmp_path, tmp_path / "not" / "there")
    assert [finding.verdict for finding in (free, cache, temporary)] == [Verdict.OK] * 3
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/proc")
    free, cache, temporary = surroundings.disk(tmp_path, tmp_path / "file" / "cache", least_free=10**20)
    assert [finding.verdict for finding in (free, cache, temporary)] == [Verdict.BROKEN] * 3
    assert "TFHUB_CACHE_DIR" in cache.remedy
    assert "TMPDIR" in temporary.remedy
