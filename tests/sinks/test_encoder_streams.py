"""What is not video: copied bit for bit, in its order, with its names; or named in a note."""

from __future__ import annotations

import os
import threading
from fractions import Fraction
from pathlib import Path

import av
import av.error
import pytest

from streamer.instances import Instances
from streamer.sinks.encoder import VideoEncoder
from streamer.sinks.muxer import Muxer
from streamer.sources.video import VideoFile
from streamer.stages import Annotated
from tests.media import (
    Clip,
    decoded_digest,
    ffmpeg,
    frame_times,
    packet_digest,
    packet_times,
    probe_json,
    stream_kinds,
)
from tests.road import reencode

pytestmark = pytest.mark.slow

AAC = ("-c:a", "aac", "-b:a", "64k")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return Clip(audio=AAC).write(tmp_path / "plain.mp4")


@pytest.fixture
def subtitles(tmp_path: Path) -> Path:
    path = tmp_path / "words.srt"
    path.write_text("1\n00:00:00,100 --> 00:00:00,600\nHallo\n\n2\n00:00:00,700 --> 00:00:01,000\nWelt\n")
    return path


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("in.mp4", AAC),
        ("in.mkv", ("-c:a", "libopus")),
        ("in.mov", ("-c:a", "pcm_s16le")),
        ("in.mkv", ("-c:a", "ac3")),
        ("in.avi", ("-c:a", "mp3")),
        ("in.flv", AAC),
    ],
)
@pytest.mark.parametrize("output", ["out.mp4", "out.mkv"])
def test_sound_is_copied_bit_for_bit_and_in_time(name: str, codec: tuple[str, ...], output: str, tmp_path: Path) -> None:
    clip = Clip(audio=codec, video=("-c:v", "mpeg4") if name == "in.avi" else Clip().video).write(tmp_path / name)
    road = reencode(clip, tmp_path / output)
    assert packet_digest(tmp_path / output, "a:0") == packet_digest(clip, "a:0")
    before, after = packet_times(clip, "a:0"), packet_times(tmp_path / output, "a:0")
    assert [float(time) for time in after] == pytest.approx([float(time) for time in before], abs=0.0011)
    assert frame_times(tmp_path / output) == frame_times(clip)
    assert road.encoder.notes == []


def test_sound_of_a_transport_stream_is_the_same_sound(tmp_path: Path) -> None:
    clip = Clip(audio=AAC).write(tmp_path / "in.ts")
    for output in (tmp_path / "out.mp4", tmp_path / "out.mkv"):
        reencode(clip, output)
        # Its packets carry headers there that stand elsewhere in the others: what is decoded tells.
        assert decoded_digest(output, "a:0") == decoded_digest(clip, "a:0")
        assert frame_times(output) == frame_times(clip)


@pytest.mark.parametrize("late", ["video", "sound"])
def test_a_delay_between_picture_and_sound_stays(late: str, plain: Path, tmp_path: Path) -> None:
    maps = ("-map", "0:v", "-map", "1:a") if late == "video" else ("-map", "1:v", "-map", "0:a")
    ffmpeg("-itsoffset", "0.7777", "-i", plain, "-i", plain, *maps, "-c", "copy", tmp_path / "late.mp4")
    reencode(tmp_path / "late.mp4", tmp_path / "out.mp4")
    assert frame_times(tmp_path / "out.mp4") == frame_times(tmp_path / "late.mp4")
    assert packet_times(tmp_path / "out.mp4", "a:0") == packet_times(tmp_path / "late.mp4", "a:0")


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_sound_before_the_picture_stays_before_it(container: str, plain: Path, tmp_path: Path) -> None:
    clip = tmp_path / f"in.{container}"
    ffmpeg("-i", plain, "-map", "0:a", "-map", "0:v", "-c", "copy", clip)
    reencode(clip, tmp_path / f"out.{container}")
    assert stream_kinds(tmp_path / f"out.{container}") == ["audio", "video"]
    assert packet_digest(tmp_path / f"out.{container}", "a:0") == packet_digest(clip, "a:0")


def test_no_sound_when_none_is_wanted(plain: Path, tmp_path: Path) -> None:
    road = reencode(plain, tmp_path / "out.mp4", audio="none")
    assert stream_kinds(tmp_path / "out.mp4") == ["video"]
    assert road.encoder.notes == []


def test_subtitles_languages_titles_and_dispositions_stay(plain: Path, subtitles: Path, tmp_path: Path) -> None:
    named = ("-metadata:s:a:0", "language=deu", "-metadata:s:s:0", "language=fra", "-metadata", "title=A title")
    clip = tmp_path / "in.mkv"
    ffmpeg("-i", plain, "-i", subtitles, "-map", "0", "-map", "1", "-c", "copy", *named, "-disposition:s:0", "forced", clip)
    road = reencode(clip, tmp_path / "out.mkv")
    assert road.encoder.notes == []
    found = probe_json(tmp_path / "out.mkv", "-show_streams", "-show_format")
    assert [stream["codec_type"] for stream in found["streams"]] == ["video", "audio", "subtitle"]
    assert [stream.get("tags", {}).get("language") for stream in found["streams"]] == [None, "deu", "fra"]
    assert found["streams"][2]["disposition"]["forced"] == 1
    assert found["format"]["tags"]["title"] == "A title"
    assert packet_digest(tmp_path / "out.mkv", "s:0") == packet_digest(clip, "s:0")
    assert packet_times(tmp_path / "out.mkv", "s:0") == packet_times(clip, "s:0")


def test_subtitles_of_mp4_stay_in_mp4(plain: Path, subtitles: Path, tmp_path: Path) -> None:
    clip = tmp_path / "in.mp4"
    ffmpeg("-i", plain, "-i", subtitles, "-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text", clip)
    reencode(clip, tmp_path / "out.mp4")
    assert stream_kinds(tmp_path / "out.mp4") == ["video", "audio", "subtitle"]
    assert packet_digest(tmp_path / "out.mp4", "s:0") == packet_digest(clip, "s:0")


def test_what_a_container_cannot_hold_is_named(plain: Path, subtitles: Path, tmp_path: Path) -> None:
    clip = tmp_path / "in.mkv"
    ffmpeg("-i", plain, "-i", subtitles, "-map", "0", "-map", "1", "-c", "copy", "-metadata:s:s:0", "language=fra", clip)
    road = reencode(clip, tmp_path / "out.ts")
    assert stream_kinds(tmp_path / "out.ts") == ["video", "audio"]
    (note,) = (note for note in road.encoder.notes if "subtitle" in note)
    assert note == "subtitle stream #2 (subrip, fra) is left out: mpegts cannot hold it"


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_chapters_stay(container: str, plain: Path, tmp_path: Path) -> None:
    described = tmp_path / "chapters.txt"
    described.write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1200\ntitle=Two\n"
    )
    clip = tmp_path / f"in.{container}"
    ffmpeg("-i", plain, "-i", described, "-map_chapters", "1", "-map", "0", "-c", "copy", clip)
    reencode(clip, tmp_path / f"out.{container}")

    def chapters(path: Path) -> list[tuple[str, str, str]]:
        return [(c["start_time"], c["end_time"], c["tags"]["title"]) for c in probe_json(path, "-show_chapters")["chapters"]]

    assert chapters(tmp_path / f"out.{container}") == chapters(clip)
    assert stream_kinds(tmp_path / f"out.{container}") == stream_kinds(clip)


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_cover_picture_is_kept_and_not_taken_for_the_video(container: str, plain: Path, tmp_path: Path) -> None:
    clip = tmp_path / "in.mp4"
    cover = ("-f", "lavfi", "-i", "testsrc=s=80x60:d=0.04")
    ffmpeg(
        "-i", plain, *cover, "-map", "0", "-map", "1:v", "-c", "copy", "-c:v:1", "png", "-disposition:v:1", "attached_pic", clip
    )
    road = reencode(clip, tmp_path / f"out.{container}")
    assert road.stats.frames_out == 30
    streams = probe_json(tmp_path / f"out.{container}", "-show_streams")["streams"]
    assert [(s["codec_name"], s["disposition"]["attached_pic"]) for s in streams] == [("h264", 0), ("aac", 0), ("png", 1)]


def test_of_two_videos_the_bigger_is_taken_and_the_other_named(plain: Path, tmp_path: Path) -> None:
    clip = tmp_path / "in.mkv"
    small = ("-f", "lavfi", "-i", "testsrc=s=80x60:d=1")
    ffmpeg(*small, "-i", plain, "-map", "0:v", "-map", "1:v", "-map", "1:a", "-c:a", "copy", "-c:v", "libx264", clip)
    road = reencode(clip, tmp_path / "out.mkv")
    assert stream_kinds(tmp_path / "out.mkv") == ["video", "audio"]
    assert frame_times(tmp_path / "out.mkv") == frame_times(clip, f"v:{road.source.stream_index}")
    assert any("video stream" in note for note in road.encoder.notes)


def test_a_cut_begins_where_the_recording_did(plain: Path, tmp_path: Path) -> None:
    road = reencode(plain, tmp_path / "out.mp4", start_s=0.5, end_s=0.9)
    assert frame_times(tmp_path / "out.mp4") == [f"{0.02 + index * 0.04:.6f}" for index in range(10)]
    sound = [float(time) for time in packet_times(tmp_path / "out.mp4", "a:0")]
    assert -0.0214 < sound[0] <= 0
    assert 0.378 < sound[-1] < 0.4
    assert road.source.info.frames == 10


def test_a_stopped_run_stops_the_sound_too(plain: Path, tmp_path: Path) -> None:
    source = VideoFile(plain)
    encoder = VideoEncoder(tmp_path / "out.mp4", source.open(), source=source)
    for frame in source.frames():
        encoder.write(Annotated(frame, Instances.empty()))
        if frame.index == 9:
            source.interrupt()
    source.close()
    encoder.finish()
    assert len(frame_times(tmp_path / "out.mp4")) == 10
    assert 0.37 < max(float(time) for time in packet_times(tmp_path / "out.mp4", "a:0")) < 0.4


def test_a_timecode_stays(tmp_path: Path) -> None:
    clip = Clip(output=("-timecode", "01:00:00:00")).write(tmp_path / "in.mov")
    assert stream_kinds(clip) == ["video", "data"]
    road = reencode(clip, tmp_path / "out.mov")
    assert road.encoder.notes == []
    streams = probe_json(tmp_path / "out.mov", "-show_streams")["streams"]
    assert [stream["tags"]["timecode"] for stream in streams] == ["01:00:00:00"] * 2


def test_metadata_of_any_name_stays(plain: Path, tmp_path: Path) -> None:
    tags = ("-metadata", "title=T", "-metadata", "location=+10+020/", "-metadata", "foo=bar")
    ffmpeg("-i", plain, "-c", "copy", "-movflags", "use_metadata_tags", *tags, tmp_path / "in.mp4")
    reencode(tmp_path / "in.mp4", tmp_path / "out.mp4")
    was, is_now = (probe_json(path, "-show_format")["format"]["tags"] for path in (tmp_path / "in.mp4", tmp_path / "out.mp4"))
    assert {key: is_now.get(key) for key in was if key != "encoder"} == {key: was[key] for key in was if key != "encoder"}


def test_a_font_stays_in_matroska(tmp_path: Path, plain: Path) -> None:
    (tmp_path / "a.ttf").write_bytes(b"a font" * 20)
    font = ("-attach", tmp_path / "a.ttf", "-metadata:s:t", "mimetype=application/x-truetype-font")
    ffmpeg("-i", plain, "-c", "copy", *font, tmp_path / "in.mkv")
    reencode(tmp_path / "in.mkv", tmp_path / "out.mkv")
    assert stream_kinds(tmp_path / "out.mkv") == ["video", "audio", "attachment"]
    road = reencode(tmp_path / "in.mkv", tmp_path / "out.mp4")
    assert any("attachment stream #2" in note for note in road.encoder.notes)


def test_extras_that_break_the_last_step_do_not_cost_the_work(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = Muxer.finish
    calls: list[int] = []

    def fail_second(self: Muxer, until_s: Fraction | None = None) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise av.error.ArgumentError(22, "Invalid argument")
        ending(self, until_s)

    monkeypatch.setattr(Muxer, "finish", fail_second)
    road = reencode(plain, tmp_path / "out.mp4")
    assert frame_times(tmp_path / "out.mp4") == frame_times(plain)
    assert packet_digest(tmp_path / "out.mp4", "a:0") == packet_digest(plain, "a:0")
    assert any("only picture and sound" in note for note in road.encoder.notes)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.mp4", "plain.mp4"]


def test_a_pipe_gives_its_picture_and_a_note(tmp_path: Path) -> None:
    clip = Clip(seconds=0.4, audio=AAC).write(tmp_path / "in.ts")
    pipe = tmp_path / "pipe.ts"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(clip.read_bytes()))
    feeder.start()
    road = reencode(pipe, tmp_path / "out.mp4")
    feeder.join()
    assert frame_times(tmp_path / "out.mp4") == frame_times(clip)
    assert any("second time" in note for note in road.encoder.notes)
