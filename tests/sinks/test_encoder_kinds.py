"""Every kind of clip keeps its frames, times and tags; ffprobe judges."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from streamer.annotation import annotate
from tests.media import Clip, ffmpeg, frame_times, video_stream
from tests.road import reencode

pytestmark = pytest.mark.slow

X264 = ("-c:v", "libx264", "-preset", "ultrafast")
TAGS = ("width", "height", "sample_aspect_ratio", "color_range", "color_space", "color_primaries", "color_transfer")
BT2020 = ("-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-color_range", "tv")
BT709 = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")

KINDS = {
    "ntsc.mp4": Clip(rate="30000/1001"),
    "vfr.mp4": Clip(
        filters="select='not(eq(mod(n\\,5)\\,2))',setpts='PTS+mod(N\\,3)*0.003/TB'",
        output=("-vsync", "vfr", "-video_track_timescale", "90000"),
    ),
    "vfr.mkv": Clip(filters="select='not(eq(mod(n\\,5)\\,2))'", output=("-vsync", "vfr")),
    "ticks-of-1001.avi": Clip(rate="30000/1001", video=("-c:v", "mjpeg")),
    "starts-late.mp4": Clip(output=("-output_ts_offset", "1.5")),
    "transport.ts": Clip(),
    "program.mpg": Clip(video=("-c:v", "mpeg2video", "-bf", "2")),
    "anamorphic.mp4": Clip(filters="setsar=16/11"),
    "full-range.mp4": Clip(filters="scale=out_range=full", video=(*X264, "-pix_fmt", "yuvj420p")),
    "hdr.mp4": Clip(video=(*X264, "-pix_fmt", "yuv420p10le", *BT2020)),
    "bt709.mp4": Clip(video=(*X264, *BT709)),
    "range-only.webm": Clip(video=("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")),
    "422.mp4": Clip(video=(*X264, "-pix_fmt", "yuv422p")),
    "444.mp4": Clip(video=(*X264, "-pix_fmt", "yuv444p")),
    "422-10bit.mp4": Clip(video=(*X264, "-pix_fmt", "yuv422p10le")),
    "gray.mp4": Clip(video=(*X264, "-pix_fmt", "gray")),
    "nv12.mp4": Clip(video=(*X264, "-pix_fmt", "nv12")),
    "raw-nv12.nut": Clip(video=("-c:v", "rawvideo", "-pix_fmt", "nv12")),
    "alpha.mov": Clip(video=("-c:v", "prores_ks", "-pix_fmt", "yuva444p10le")),
    "interlaced.mp4": Clip(filters="tinterlace=interleave_top", video=(*X264, "-flags", "+ilme+ildct")),
    "tiny.mp4": Clip(size="16x16"),
    "one-frame.mp4": Clip(seconds=0.04),
    "hevc.mp4": Clip(video=("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_clip_keeps_its_frames_times_and_tags(name: str, tmp_path: Path) -> None:
    clip = KINDS[name].write(tmp_path / name)
    output = tmp_path / "output.mp4"
    road = reencode(clip, output)
    before, after = frame_times(clip), frame_times(output)
    # ffprobe of a program stream does not know the last frame's time; PyAV's decoder gives no more either.
    assert [time for time in after if time != "N/A"][: len(before)] == [
        given if given != "N/A" else written for given, written in zip(before, after, strict=True)
    ]
    assert road.stats.frames_in == road.stats.frames_out == len(before)
    was, is_now = video_stream(clip), video_stream(output)
    assert {tag: is_now.get(tag) for tag in TAGS if was.get(tag)} == {tag: was[tag] for tag in TAGS if was.get(tag)}
    assert road.encoder.notes == []
    assert [entry.name for entry in tmp_path.iterdir() if entry not in (clip, output)] == []


@pytest.mark.parametrize(("codec", "pixels"), [("libx264rgb", "rgb24"), ("ffv1", "bgra"), ("qtrle", "argb"), ("gif", "pal8")])
def test_rgb_becomes_limited_range_of_a_named_matrix(codec: str, pixels: str, tmp_path: Path) -> None:
    clip = Clip(video=("-c:v", codec, "-pix_fmt", pixels)).write(
        tmp_path / f"rgb.{'gif' if codec == 'gif' else 'mov' if codec == 'qtrle' else 'mkv'}"
    )
    reencode(clip, tmp_path / "output.mp4")
    found = video_stream(tmp_path / "output.mp4")
    assert (found["color_range"], found["color_space"]) == ("tv", "smpte170m")
    assert frame_times(tmp_path / "output.mp4") == frame_times(clip)


def test_a_stream_without_times_gets_its_rate(tmp_path: Path) -> None:
    clip = Clip(rate="30000/1001").write(tmp_path / "raw.h264")
    reencode(clip, tmp_path / "output.mp4")
    times = frame_times(tmp_path / "output.mp4")
    assert times == [f"{round(index * 1001 / 30000 * 1e6) / 1e6:.6f}" for index in range(36)]


def test_an_edit_list_plays_as_it_did(tmp_path: Path) -> None:
    whole = Clip().write(tmp_path / "whole.mp4")
    ffmpeg("-ss", "0.6", "-i", whole, "-c", "copy", tmp_path / "edited.mp4")
    reencode(tmp_path / "edited.mp4", tmp_path / "output.mp4")
    assert frame_times(tmp_path / "output.mp4") == frame_times(tmp_path / "edited.mp4")
    assert len(frame_times(tmp_path / "output.mp4")) < len(frame_times(whole))


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_the_rotation_survives(degrees: int, container: str, tmp_path: Path) -> None:
    plain = Clip(seconds=0.2).write(tmp_path / "plain.mp4")
    ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v:0", f"rotate={degrees}", tmp_path / "turned.mp4")
    output = tmp_path / f"output.{container}"
    reencode(tmp_path / "turned.mp4", output)
    was, is_now = video_stream(tmp_path / "turned.mp4"), video_stream(output)
    assert [data["rotation"] for data in is_now["side_data_list"]] == [data["rotation"] for data in was["side_data_list"]]
    assert is_now["side_data_list"][0]["rotation"] % 360 == degrees
    assert (is_now["width"], is_now["height"]) == (160, 120)


def test_a_size_that_changes_is_scaled_to_the_first(tmp_path: Path) -> None:
    first = Clip(seconds=0.4, output=("-muxdelay", "0")).write(tmp_path / "first.ts")
    second = Clip(seconds=0.4, size="320x240", output=("-muxdelay", "0", "-output_ts_offset", "0.6")).write(
        tmp_path / "second.ts"
    )
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    reencode(joined, tmp_path / "output.mp4")
    assert frame_times(tmp_path / "output.mp4") == frame_times(joined)
    assert len(frame_times(joined)) == 20
    found = video_stream(tmp_path / "output.mp4")
    assert (found["width"], found["height"]) == (160, 120)


def test_recordings_joined_with_a_clock_that_begins_anew_go_on(tmp_path: Path) -> None:
    part = Clip(seconds=1.2).write(tmp_path / "part.ts")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    reencode(joined, tmp_path / "output.mp4")
    times = [float(time) for time in frame_times(tmp_path / "output.mp4")]
    assert len(times) == 60
    assert [round(later - earlier, 6) for earlier, later in pairwise(times)] == [0.04] * 59


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "libvpx-vp9", "libsvtav1"])
def test_odd_sizes_lose_nothing(encoder: str, tmp_path: Path) -> None:
    clip = Clip(seconds=0.2, filters="scale=641:361,format=yuv420p", video=("-c:v", "ffv1")).write(tmp_path / "odd.mkv")
    assert (video_stream(clip)["width"], video_stream(clip)["height"]) == (641, 361)
    road = reencode(clip, tmp_path / "output.mp4", encoder=encoder)
    found = video_stream(tmp_path / "output.mp4")
    assert frame_times(tmp_path / "output.mp4") == frame_times(clip)
    even = encoder.startswith("libx26")
    assert (found["width"], found["height"]) == ((642, 362) if even else (641, 361))
    assert any("642x362" in note for note in road.encoder.notes) == even


@pytest.mark.parametrize("encoder", ["libx265", "libvpx-vp9", "libsvtav1"])
@pytest.mark.parametrize("kind", ["vfr.mp4", "tiny.mp4", "one-frame.mp4", "full-range.mp4", "hdr.mp4", "anamorphic.mp4"])
def test_every_encoder_keeps_times_and_tags(encoder: str, kind: str, tmp_path: Path) -> None:
    clip = KINDS[kind].write(tmp_path / kind)
    reencode(clip, tmp_path / "output.mp4", encoder=encoder)
    assert frame_times(tmp_path / "output.mp4") == frame_times(clip)
    was, is_now = video_stream(clip), video_stream(tmp_path / "output.mp4")
    expected = {tag: was[tag] for tag in TAGS if was.get(tag, "1:1") != "1:1"}
    assert {tag: is_now.get(tag) for tag in expected} == expected


def test_frames_before_zero_are_moved_and_a_note_says_so(tmp_path: Path) -> None:
    clip = tmp_path / "early.mkv"
    with av.open(str(clip), "w", container_options={"avoid_negative_ts": "disabled"}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for index in range(10):
            picture = av.VideoFrame(160, 120, "yuv420p")
            picture.pts, picture.time_base = index - 5, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    assert frame_times(clip)[0] == "-0.200000"
    for output in (tmp_path / "output.mp4", tmp_path / "output.mkv"):
        road = reencode(clip, output)
        assert frame_times(output) == [f"{index / 25:.6f}" for index in range(10)]
        assert any("0.2 s later" in note for note in road.encoder.notes)


@pytest.mark.parametrize(
    ("ending", "codec"), [("webm", "vp9"), ("mp4", "h264"), ("mkv", "h264"), ("mov", "h264"), ("ts", "h264")]
)
def test_the_container_chooses_the_encoder(ending: str, codec: str, tmp_path: Path) -> None:
    clip = Clip(seconds=0.2).write(tmp_path / "in.mp4")
    summary = annotate(clip, tmp_path / f"o.{ending}", detector="tests.bright:Bright")
    assert summary.frames_out == 5
    assert video_stream(tmp_path / f"o.{ending}")["codec_name"] == codec
