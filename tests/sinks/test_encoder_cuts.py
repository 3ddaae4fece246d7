"""A cut takes along what stands beside the picture: timecode, chapters, subtitles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.media import Clip, ffmpeg, packet_times, probe_json
from tests.road import reencode

pytestmark = pytest.mark.slow

AAC = ("-c:a", "aac", "-b:a", "64k")


def timecodes(path: Path) -> set[str]:
    found = probe_json(path, "-show_streams", "-show_format")
    tags = [found["format"].get("tags", {}), *(stream.get("tags", {}) for stream in found["streams"])]
    return {value for tag in tags for key, value in tag.items() if key.lower() == "timecode"}


@pytest.mark.parametrize("ending", ["mov", "mp4", "mkv"])
@pytest.mark.parametrize(
    ("rate", "start", "timecode", "expected"),
    [
        ("25", 0.4, "10:00:00:00", "10:00:00:10"),
        ("25", 0.41, "10:00:00:00", "10:00:00:11"),
        ("30000/1001", 1.0, "00:59:59;10", "01:00:00;10"),
        ("60000/1001", 1.0, "00:00:59;30", "00:01:00;34"),
    ],
)
def test_the_timecode_is_that_of_the_first_frame(
    rate: str, start: float, timecode: str, expected: str, ending: str, tmp_path: Path
) -> None:
    clip = Clip(rate=rate, seconds=1.6, size="64x64", output=("-timecode", timecode)).write(tmp_path / "in.mov")
    reencode(clip, tmp_path / f"out.{ending}", start_s=start)
    assert timecodes(tmp_path / f"out.{ending}") == {expected}
    reencode(clip, tmp_path / f"whole.{ending}")
    assert timecodes(tmp_path / f"whole.{ending}") == {timecode}


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_a_subtitle_is_cut_where_the_picture_is(ending: str, tmp_path: Path) -> None:
    plain = Clip(seconds=4, size="64x64", audio=AAC).write(tmp_path / "plain.mp4")
    (tmp_path / "words.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nEarly\n\n2\n00:00:02,000 --> 00:00:03,900\nLong\n")
    clip = tmp_path / f"in.{ending}"
    codec = "mov_text" if ending == "mp4" else "srt"
    ffmpeg("-i", tmp_path / "plain.mp4", "-i", tmp_path / "words.srt", "-c", "copy", "-c:s", codec, clip)
    moved = float(packet_times(clip, "v:0")[0])  # by what the sound needs to begin
    output = tmp_path / f"out.{ending}"
    reencode(clip, output, start_s=1, end_s=3)
    packets = probe_json(output, "-select_streams", "s:0", "-show_entries", "packet=pts_time,duration_time,size")["packets"]
    shown = [float(p[key]) for p in packets if int(p["size"]) > 2 for key in ("pts_time", "duration_time")]
    assert shown == pytest.approx([0, 0.5 + moved, 1 + moved, 1 - moved], abs=0.002)
    assert float(probe_json(output, "-show_format")["format"]["duration"]) == pytest.approx(2, abs=0.1)
    assert plain.exists()


def test_chapters_and_titles_that_a_transport_stream_cannot_hold_are_named(tmp_path: Path) -> None:
    (tmp_path / "chapters.txt").write_text(
        ";FFMETADATA1\ntitle=Film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1200\ntitle=Two\n"
    )
    Clip(size="64x64").write(tmp_path / "plain.mp4")
    clip = tmp_path / "in.mp4"
    ffmpeg("-i", tmp_path / "plain.mp4", "-i", tmp_path / "chapters.txt", "-map_metadata", "1", "-c", "copy", clip)
    road = reencode(clip, tmp_path / "out.ts")
    assert "the 2 chapters are left out: mpegts holds none" in road.encoder.notes
    assert any(note.startswith("metadata (title") for note in road.encoder.notes)


def test_data_beside_chapters_is_kept(tmp_path: Path) -> None:
    """The telemetry of an action camera is data, and so are the titles of its chapters: only these are made anew."""
    (tmp_path / "words.srt").write_text("1\n00:00:00,100 --> 00:00:00,400\nhello\n")
    (tmp_path / "chapters.txt").write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=one\n")
    Clip(size="64x64").write(tmp_path / "plain.mp4")
    made = tmp_path / "made.mp4"
    ffmpeg(
        "-i", tmp_path / "plain.mp4", "-i", tmp_path / "words.srt", "-i", tmp_path / "chapters.txt", "-map", "0", "-map", "1",
        "-map_chapters", "2", "-c", "copy", "-c:s", "mov_text", made,
    )  # fmt: skip
    clip = tmp_path / "in.mp4"
    clip.write_bytes(made.read_bytes().replace(b"sbtl", b"meta").replace(b"tx3g", b"gpmd"))
    road = reencode(clip, tmp_path / "out.mp4")
    streams = probe_json(tmp_path / "out.mp4", "-show_streams")["streams"]
    assert [s["codec_tag_string"] for s in streams] == ["avc1", "gpmd", "text"]
    road = reencode(clip, tmp_path / "out.mkv")
    assert [note for note in road.encoder.notes if "data stream" in note] == [
        "data stream #1 (bin_data) is left out: matroska cannot hold it"
    ]
