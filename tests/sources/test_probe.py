"""What ``probe`` says, against ffprobe and against how the clips were made."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from streamer.errors import SourceNotFound, SourceUnsupported
from streamer.sources.probe import probe
from tests.media import Clip, ffmpeg

AAC = ("-c:a", "aac")


def test_a_recording_is_described(tmp_path: Path) -> None:
    described = tmp_path / "chapters.txt"
    described.write_text(";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n")
    plain = Clip(rate="30000/1001", seconds=1, audio=AAC, filters="setsar=4/3").write(tmp_path / "plain.mp4")
    turned = ("-metadata:s:v:0", "rotate=90", "-metadata:s:a:0", "language=deu")
    clip = tmp_path / "clip.mp4"
    ffmpeg("-i", plain, "-i", described, "-map_metadata", "1", "-map", "0", "-c", "copy", *turned, clip)
    report = probe(str(clip))
    video, sound, *_ = report.streams
    assert "mp4" in report.container
    assert report.duration_s == pytest.approx(1.001, abs=0.03)
    assert (video.kind, video.codec, video.width, video.height, video.chosen) == ("video", "h264", 160, 120, True)
    assert (video.declared_rate, video.time_base, video.sample_aspect_ratio) == ("30000/1001", "1/30000", "4/3")
    # FFmpeg's "rotate" of old turns against the clock.
    assert (video.rotation, video.mirrored) == (270, False)
    assert video.spacing is not None
    assert (video.spacing.frames, video.spacing.variable) == (30, False)
    assert video.spacing.rate == pytest.approx(30000 / 1001)
    assert (sound.kind, sound.codec, sound.language, sound.sample_rate, sound.channels) == ("audio", "aac", "deu", 48000, 1)
    assert [(chapter["title"], chapter["end_s"]) for chapter in report.chapters] == [("One", 0.5)]
    assert report.metadata["title"] == "A film"
    assert report.damaged_packets == 0
    assert json.loads(json.dumps(report.as_dict()))["streams"][0]["codec"] == "h264"


def test_a_title_that_is_not_utf8_is_shown_as_far_as_it_can_be(tmp_path: Path) -> None:
    clip = Clip(output=("-metadata", os.fsdecode(b"title=caf\xe9"))).write(tmp_path / "clip.mkv")
    assert probe(str(clip)).metadata["title"] == "caf\ufffd"


def test_a_variable_rate_is_measured(tmp_path: Path) -> None:
    clip = Clip(filters="select='not(eq(mod(n\\,5)\\,2))'", output=("-vsync", "vfr")).write(tmp_path / "clip.mkv")
    spacing = probe(str(clip)).streams[0].spacing
    assert spacing is not None
    assert spacing.variable
    assert (spacing.frames, spacing.min_s, spacing.median_s, spacing.max_s) == pytest.approx((24, 0.04, 0.04, 0.08))


def test_rounded_times_are_no_variable_rate(tmp_path: Path) -> None:
    clip = Clip(rate="30000/1001").write(tmp_path / "clip.mkv")
    spacing = probe(str(clip)).streams[0].spacing
    assert spacing is not None
    assert (spacing.min_s, spacing.max_s) == pytest.approx((0.033, 0.034))
    assert not spacing.variable


def test_color_is_named(tmp_path: Path) -> None:
    tags = ("-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-color_range", "pc")
    clip = Clip(video=("-c:v", "libx264", "-preset", "ultrafast", *tags)).write(tmp_path / "clip.mp4")
    assert probe(str(clip)).streams[0].color == {
        "range": "full", "matrix": "bt2020nc", "primaries": "bt2020", "transfer": "smpte2084",
    }  # fmt: skip


def test_damage_is_counted(tmp_path: Path) -> None:
    whole = Clip(output=("-movflags", "faststart")).write(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    assert probe(str(tmp_path / "cut.mp4")).damaged_packets == 1


def test_sound_alone_can_be_probed_but_text_cannot(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", tmp_path / "sound.wav")
    assert [stream.kind for stream in probe(str(tmp_path / "sound.wav")).streams] == ["audio"]
    (tmp_path / "x.txt").write_text("text\n" * 50)
    with pytest.raises(SourceUnsupported):
        probe(str(tmp_path / "x.txt"))
    with pytest.raises(SourceNotFound):
        probe(str(tmp_path / "missing.mp4"))
