"""Recordings: what comes out of the source itself, and what is said of inputs that are none."""

from __future__ import annotations

import os
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamer.errors import ConfigError, SourceError, SourceNotFound, SourceUnavailable, SourceUnsupported
from streamer.frame import Orientation
from streamer.sources.opening import open_container
from streamer.sources.video import VideoFile
from tests.media import Clip, ffmpeg, frame_times


def test_frames_carry_exact_times_and_the_info_is_right(tmp_path: Path) -> None:
    clip = Clip(rate="30000/1001", seconds=1).write(tmp_path / "clip.mp4")
    source = VideoFile(clip, clock=lambda: 12.5)
    info = source.open()
    frames = list(source.frames())
    source.close()
    source.close()
    assert (info.width, info.height, info.rate, info.frames) == (160, 120, Fraction(30000, 1001), 30)
    assert info.time_base == Fraction(1, 30000)
    assert info.duration_s == pytest.approx(1.001)
    assert [frame.pts for frame in frames] == [index * 1001 for index in range(30)]
    assert [frame.index for frame in frames] == list(range(30))
    assert {frame.duration for frame in frames} == {1001}
    assert {frame.captured_at for frame in frames} == {12.5}
    assert {frame.picture.format.name for frame in frames} == {"yuv420p"}
    assert not any(frame.damaged for frame in frames)
    assert source.damaged_packets == 0


@pytest.mark.parametrize("threads", [1, 4])
def test_any_number_of_threads_gives_the_same_pictures(threads: int, tmp_path: Path) -> None:
    clip = Clip(seconds=0.6).write(tmp_path / "clip.mp4")
    source = VideoFile(clip, threads=threads)
    source.open()
    digests = [frame.luma().sum(dtype=np.int64) for frame in source.frames()]
    source.close()
    with open_container(str(clip)) as container:
        expected = [np.asarray(picture.to_ndarray())[:120].sum(dtype=np.int64) for picture in container.decode(video=0)]
    assert digests == expected


def _nothing(path: Path) -> str:
    return str(path / "missing.mp4")


def _folder(path: Path) -> str:
    return str(path)


def _empty(path: Path) -> str:
    (path / "empty.mp4").touch()
    return str(path / "empty.mp4")


def _text(path: Path) -> str:
    (path / "notes.txt").write_text("no video\n" * 100)
    return str(path / "notes.txt")


def _renamed_text(path: Path) -> str:
    (path / "notes.mp4").write_text("no video\n" * 100)
    return str(path / "notes.mp4")


def _sound(path: Path) -> str:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", path / "sound.mp3")
    return str(path / "sound.mp3")


def _sound_with_cover(path: Path) -> str:
    cover = ("-f", "lavfi", "-i", "testsrc=s=80x60:d=0.04", "-c:v", "png", "-disposition:v", "attached_pic")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", *cover, path / "sound.mp3")
    return str(path / "sound.mp3")


def _headers_only(path: Path) -> str:
    whole = Clip(seconds=0.2, output=("-movflags", "faststart")).write(path / "whole.mp4").read_bytes()
    (path / "cut.mp4").write_bytes(whole[: whole.index(b"mdat") + 8])
    return str(path / "cut.mp4")


def _never_finished(path: Path) -> str:
    whole = Clip(seconds=0.6).write(path / "whole.mp4").read_bytes()
    (path / "cut.mp4").write_bytes(whole[: whole.index(b"moov") - 4])
    return str(path / "cut.mp4")


def _cut_in_the_index(path: Path) -> str:
    whole = Clip(seconds=0.6).write(path / "whole.mp4").read_bytes()
    (path / "cut.mp4").write_bytes(whole[: whole.index(b"moov") + 40])
    return str(path / "cut.mp4")


@pytest.mark.parametrize(
    ("make", "error", "exit_code", "says"),
    [
        (_nothing, SourceNotFound, 2, "there is no file"),
        (_folder, SourceNotFound, 2, "is a folder"),
        (lambda path: str(path / ("x" * 300)), SourceNotFound, 2, "longer than a file's name may be"),
        (lambda _: "http://127.0.0.1:9/a.mp4?sign=" + "x" * 300, SourceUnavailable, 1, "refused"),
        (_empty, SourceUnsupported, 1, "is empty"),
        (_text, SourceUnsupported, 1, "is a text file"),
        (_renamed_text, SourceUnsupported, 1, "no video or picture"),
        (_sound, SourceUnsupported, 1, "no video, only audio"),
        (_sound_with_cover, SourceUnsupported, 1, "no video, only audio"),
        (_never_finished, SourceUnsupported, 1, "was never finished: its index"),
        (_cut_in_the_index, SourceUnsupported, 1, "cut off in the middle of its index"),
        (_headers_only, SourceUnsupported, 1, "no frame that can be decoded"),
        (lambda _: "xyz://kim:s3cret@host/a", SourceUnsupported, 1, "scheme that is not known"),
        (lambda _: "http://kim:s3cret@127.0.0.1:9/a.mp4", SourceUnavailable, 1, "refused"),
    ],
)
def test_what_is_no_video_is_named_in_one_line(
    make: object, error: type[SourceError], exit_code: int, says: str, tmp_path: Path
) -> None:
    source = VideoFile(make(tmp_path))  # type: ignore[operator]  # any of the makers above
    with pytest.raises(error, match=says) as caught:
        source.open()
    source.close()
    assert caught.value.exit_code == exit_code
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in source.name


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip(seconds=0.2).write(tmp_path / "clip.mp4")

    # Root may read anything: what the system says is put in its mouth.
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(SourceUnavailable, match="permission denied"):
        VideoFile(clip).open()


def test_a_name_full_of_traps(tmp_path: Path) -> None:
    clip = Clip(seconds=0.2).write(tmp_path / "plain.mp4").rename(tmp_path / "rtsp:50%d -i 'x'.mp4")
    source = VideoFile(clip)
    source.open()
    assert len(list(source.frames())) == 5
    source.close()


def test_frames_before_open_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="not open"):
        next(VideoFile(tmp_path / "x.mp4").frames())


def test_interrupting_from_another_thread_ends_the_frames(tmp_path: Path) -> None:
    clip = Clip(seconds=4).write(tmp_path / "clip.mp4")
    source = VideoFile(clip)
    source.open()
    seen: list[int] = []
    third, interrupted = threading.Event(), threading.Event()

    def interrupt() -> None:
        assert third.wait(30)
        source.interrupt()
        interrupted.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    for frame in source.frames():
        seen.append(frame.index)
        if frame.index == 2:
            third.set()
            assert interrupted.wait(30)
    thread.join()
    source.close()
    assert seen == [0, 1, 2]
    assert source.interrupted


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "h264", "mpg"])
@pytest.mark.parametrize(("start_s", "end_s"), [(0.5, 0.9), (None, 0.3), (1.0, None), (0.0, None)])
def test_a_cut_holds_the_frames_of_its_interval(
    ending: str, start_s: float | None, end_s: float | None, tmp_path: Path
) -> None:
    codec = ("-c:v", "mpeg2video") if ending == "mpg" else Clip().video
    clip = Clip(seconds=1.6, video=codec).write(tmp_path / f"clip.{ending}")
    whole = VideoFile(clip)
    whole.open()
    everything = list(whole.frames())
    whole.close()
    origin_s = whole._origin_s
    expected = [
        frame.luma().tobytes()
        for frame in everything
        if (start_s or 0) <= frame.pts * frame.time_base - origin_s < (end_s or 99)
    ]
    source = VideoFile(clip, start_s=start_s, end_s=end_s)
    source.open()
    frames = list(source.frames())
    source.close()
    assert [frame.luma().tobytes() for frame in frames] == expected
    assert frames[0].index == 0
    assert 0 <= frames[0].pts * frames[0].time_base - origin_s < 0.04


def test_a_cut_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="not after start"):
        VideoFile("x.mp4", start_s=3, end_s=3)
    with pytest.raises(ConfigError, match="start is -1"):
        VideoFile("x.mp4", start_s=-1)


# EXIF orientation 1..8 as it asks to be shown: mirrored left to right first, then turned clockwise.
EXIF = {
    1: Orientation(0), 2: Orientation(0, True), 3: Orientation(2), 4: Orientation(2, True),
    5: Orientation(3, True), 6: Orientation(1), 7: Orientation(1, True), 8: Orientation(3),
}  # fmt: skip


def exif(orientation: int) -> bytes:
    """A JPEG segment with nothing but an orientation."""
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + orientation.to_bytes(2, "big") + b"\0\0\0\0\0\0"
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body


@pytest.mark.parametrize("orientation", EXIF)
def test_a_photo_is_one_frame_turned_as_its_camera_was(orientation: int, tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=96x64:d=0.04", "-frames:v", "1", tmp_path / "plain.jpg")
    plain = (tmp_path / "plain.jpg").read_bytes()
    (tmp_path / "photo.jpg").write_bytes(plain[:2] + exif(orientation) + plain[2:])
    source = VideoFile(tmp_path / "photo.jpg")
    info = source.open()
    frames = list(source.frames())
    source.close()
    assert source.still
    assert (len(frames), info.frames) == (1, 1)
    assert info.orientation == EXIF[orientation]
    assert (info.width, info.height) == ((64, 96) if orientation >= 5 else (96, 64))


@pytest.mark.parametrize("ending", ["png", "webp", "bmp", "jpg"])
def test_pictures_are_one_frame(ending: str, tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=96x64:d=0.04", "-frames:v", "1", tmp_path / f"photo.{ending}")
    source = VideoFile(tmp_path / f"photo.{ending}", start_s=5)
    info = source.open()
    assert (info.width, info.height, info.rate, info.duration_s) == (96, 64, None, None)
    assert len(list(source.frames())) == 1
    source.close()


def test_an_animated_picture_is_a_video(tmp_path: Path) -> None:
    clip = Clip(seconds=0.4, rate="10", video=()).write(tmp_path / "moves.gif")
    source = VideoFile(clip)
    source.open()
    assert not source.still
    assert len(list(source.frames())) == len(frame_times(clip)) == 4
    source.close()


def _times(source: VideoFile) -> list[float]:
    source.open()
    times = [frame.time_s for frame in source.frames()]
    source.close()
    return times


def test_pictures_without_a_container_are_a_video_that_can_be_cut(tmp_path: Path) -> None:
    clip = Clip(seconds=1, video=("-c:v", "mjpeg", "-f", "mjpeg")).write(tmp_path / "camera.mjpeg")
    whole, part = VideoFile(clip), VideoFile(clip, start_s=0.4, end_s=0.8)
    assert _times(whole) == pytest.approx([n / 25 for n in range(25)])
    assert not whole.still
    assert _times(part) == pytest.approx([n / 25 for n in range(10)])
    assert whole.notes == [f"{whole.name} holds no times: 25 frames a second are assumed"]


def test_a_photo_with_a_small_picture_behind_it_is_one_frame(tmp_path: Path) -> None:
    for name, size in (("photo", "96x64"), ("preview", "48x32")):
        ffmpeg("-f", "lavfi", "-i", f"testsrc=s={size}:d=0.04", "-frames:v", "1", tmp_path / f"{name}.jpg")
    photo = tmp_path / "photo.jfif"
    photo.write_bytes((tmp_path / "photo.jpg").read_bytes() + (tmp_path / "preview.jpg").read_bytes())
    source = VideoFile(photo)
    info = source.open()
    assert source.still
    assert (info.width, info.height, info.frames) == (96, 64, 1)
    assert len(list(source.frames())) == 1
    source.close()


def test_raw_h265_without_times_runs_evenly(tmp_path: Path) -> None:
    quiet = ("-c:v", "libx265", "-x265-params", "log-level=none:vui-timing-info=0:keyint=12")
    clip = Clip(seconds=2.4, video=quiet).write(tmp_path / "recorder.265")
    source = VideoFile(clip)
    assert _times(source) == pytest.approx([n / 25 for n in range(60)])


def test_raw_h264_runs_at_the_rate_that_it_says(tmp_path: Path) -> None:
    source = VideoFile(Clip(rate="30", seconds=1).write(tmp_path / "recorder.h264"))
    assert _times(source) == pytest.approx([n / 30 for n in range(30)])
    assert source.info.rate == 30


@pytest.mark.parametrize(
    ("offset_s", "says"), [("7200", "begins 2:00:00 h after 0"), ("1790000000", "begins at 2026-09-21 14:13:20 UTC")]
)
def test_a_clock_of_the_day_begins_at_0_and_is_named(offset_s: str, says: str, tmp_path: Path) -> None:
    clip = Clip(seconds=1, output=("-output_ts_offset", offset_s)).write(tmp_path / "clock.mkv")
    source, part = VideoFile(clip), VideoFile(clip, start_s=0.4)
    # The first frame is delayed a little, so that no decoding time is negative.
    assert _times(source)[::24] == pytest.approx([0, 0.96], abs=0.1)
    assert _times(part)[0] == pytest.approx(0, abs=0.05)
    assert len(_times(part)) == 15
    assert says in source.notes[0]


def test_times_that_begin_a_little_later_are_kept(tmp_path: Path) -> None:
    source = VideoFile(Clip(seconds=0.2, output=("-output_ts_offset", "90")).write(tmp_path / "later.mkv"))
    assert _times(source)[0] == pytest.approx(90, abs=0.1)
    assert source.notes == []


def test_a_picture_of_a_new_size_keeps_its_shape_and_is_named(tmp_path: Path) -> None:
    parts = b""
    for size, box, at in (("160x120", "x=60:y=40", "0"), ("120x160", "x=40:y=60", "0.4")):
        square = f"color=gray:s={size}:r=25:d=0.4,drawbox={box}:w=40:h=40:color=white:t=fill"
        ffmpeg("-f", "lavfi", "-i", square, "-c:v", "libx264", "-output_ts_offset", at, tmp_path / "part.ts")
        parts += (tmp_path / "part.ts").read_bytes()
    (tmp_path / "phone.ts").write_bytes(parts)
    source = VideoFile(tmp_path / "phone.ts")
    source.open()
    frames = list(source.frames())
    source.close()
    assert {(frame.width, frame.height) for frame in frames} == {(160, 120)}
    luma = frames[-1].luma()
    rows, columns = (luma > 200).nonzero()
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)
    assert luma[60, 5] == luma[60, 155] == 16
    assert ["from 160x120 to 120x160" in note for note in source.notes] == [True]


def test_a_name_that_is_not_utf8_is_opened_and_can_be_printed(tmp_path: Path) -> None:
    clip = Clip(seconds=0.2).write(tmp_path / "plain.mp4").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    source = VideoFile(clip)
    assert source.open().source.encode().endswith(b"caf\\xe9.mp4")
    assert len(list(source.frames())) == 5
    source.close()
