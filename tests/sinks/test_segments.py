"""Recording in segments, judged by ffprobe: limits, kills, full disks."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from streamer.errors import ConfigError, OutputRefused
from streamer.frame import Orientation
from streamer.sinks import mp4_file as module
from streamer.sinks.retention import Recording, Retention, file_stem, recordings, segment_name, to_remove
from streamer.sinks.segments import Segments
from tests.sinks import moving, segments_main
from tests.waiting import wait_until

START_S = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


class Recorder:
    """Records on a clock that follows the pictures."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.now = 0.0
        self.sink = Segments(folder, moving.info(), name="gate", clock=lambda: self.now, utc=self.utc, **settings)

    def utc(self) -> datetime:
        return datetime.fromtimestamp(START_S + self.now, UTC)

    def record(self, first: int, count: int) -> None:
        for index in range(first, first + count):
            self.now = index / moving.RATE
            self.sink.write(moving.item(index, captured_at=self.now, utc_s=START_S + self.now))


def probe(path: Path) -> dict[str, Any]:
    if shutil.which("ffprobe") is None:
        pytest.skip("no ffprobe; install: ffmpeg")
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert not done.stderr, done.stderr
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


def decoded(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [moving.index_of(frame) for frame in container.decode(video=0)]


def test_each_segment_plays_on_its_own_and_is_named_by_its_start(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, segment_s=4)
    recorder.record(0, 250)
    recorder.sink.finish()
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == [f"gate-20260131T1200{second:02d}Z.mp4" for second in (0, 4, 8)]
    played: list[int] = []
    for path, frames in zip(files, (100, 100, 50), strict=True):
        (stream,) = probe(path)["streams"]
        assert int(stream["nb_read_frames"]) == int(stream["nb_frames"]) == frames
        assert float(stream["start_time"]) == 0
        assert float(stream["duration"]) == pytest.approx(frames / moving.RATE)
        assert Fraction(stream["avg_frame_rate"]) == moving.RATE
        played += decoded(path)
    assert played == [index % moving.GREYS for index in range(250)]
    status = recorder.sink.status()
    assert (status.state, status.frames, status.dropped) == ("ended", 250, 0)
    assert status.bytes > 0


def test_a_gap_in_the_source_stays_a_gap(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.record(0, 10)
    recorder.record(110, 10)
    recorder.sink.finish()
    (path,) = tmp_path.iterdir()
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([index / moving.RATE for index in [*range(10), *range(110, 120)]])


def test_times_that_do_not_grow_are_mended(tmp_path: Path) -> None:
    sink = Segments(tmp_path, moving.info(), name="gate")
    for index, pts in enumerate((1000, 1000, 900, 5000)):
        sink.write(moving.item(index, pts=pts))
    sink.finish()
    (path,) = tmp_path.iterdir()
    assert decoded(path) == [0, 1, 2, 3]


@pytest.mark.parametrize(("width", "height"), [(65, 47), (16, 16)])
def test_odd_sizes_and_turned_pictures(tmp_path: Path, width: int, height: int) -> None:
    sink = Segments(tmp_path, moving.info(height, width, orientation=Orientation(1)), name="gate")
    for index in range(5):
        item = moving.item(index, width, height)
        item.frame.orientation = Orientation(1)
        sink.write(item)
    sink.finish()
    (path,) = tmp_path.iterdir()
    (stream,) = probe(path)["streams"]
    assert (stream["width"], stream["height"]) == (height + height % 2, width + width % 2)
    assert decoded(path) == [0, 1, 2, 3, 4]


def test_killed_without_warning_every_segment_plays(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.sinks.segments_main", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "recorded\n"
        finally:
            process.kill()
    whole, last = sorted(tmp_path.iterdir())
    assert len(decoded(whole)) == segments_main.SEGMENT_S * moving.RATE
    kept = decoded(last)
    assert len(kept) >= 2 * moving.RATE
    assert kept == [(kept[0] + index) % moving.GREYS for index in range(len(kept))]


def test_old_ones_go_by_hours_and_by_bytes_and_nothing_else_does(tmp_path: Path) -> None:
    others = ["gate-2-20200101T000000Z.mp4", "gate-20200101T000000Z.mkv", "holiday.mp4", "gate-20209901T000000Z.mp4"]
    for name in [*others, "gate-20200101T000000Z.mp4", "gate-20260131T115959Z_1.mp4"]:
        (tmp_path / name).write_bytes(bytes(1000))
    recorder = Recorder(tmp_path, segment_s=1, keep_hours=1, keep_gb=5e-6)
    recorder.record(0, 8 * moving.RATE)
    recorder.sink.finish()
    left = {path.name for path in tmp_path.iterdir()}
    assert set(others) < left
    mine = recordings(tmp_path, "gate")
    assert mine[-1].path.name == "gate-20260131T120007Z.mp4"
    assert mine[0].start > datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert sum(one.size_bytes for one in mine[:-1]) <= 5000


def test_what_goes() -> None:
    def one(minute: int, size: int) -> Recording:
        return Recording(Path(f"{minute}"), datetime(2026, 1, 1, 0, minute, tzinfo=UTC), size)

    all_of_them = [one(0, 10), one(1, 20), one(2, 30)]
    now = datetime(2026, 1, 1, 1, 1, 30, tzinfo=UTC)

    def gone(**limits: Any) -> list[str]:
        limits = {"keep_hours": None, "keep_bytes": None} | limits
        return [str(recording.path) for recording in to_remove(all_of_them, now=now, segment_s=60, **limits)]

    assert gone() == []
    assert gone(keep_hours=1) == ["0"]
    assert gone(keep_bytes=50) == ["0"]
    assert gone(keep_bytes=50, current_bytes=1) == ["0", "1"]
    assert gone(keep_bytes=1) == ["0", "1", "2"]


def test_names() -> None:
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert segment_name("gate", at) == "gate-20260131T120000Z.mp4"
    assert segment_name("gate", at, 2) == "gate-20260131T120000Z_2.mp4"
    names = [segment_name("gate", at), segment_name("gate", at, 1), segment_name("gate", at.replace(second=1))]
    assert names == sorted(names), "those who sort by name get the order of time"
    assert file_stem("rtsp://u:***@10.0.0.7/live?x=1") == "rtsp-u-10.0.0.7-live-x-1"
    assert file_stem("../..") == "camera"


def test_a_second_start_in_the_same_second_overwrites_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        recorder = Recorder(tmp_path)
        recorder.record(0, 5)
        recorder.sink.finish()
    assert [len(decoded(path)) for path in sorted(tmp_path.iterdir())] == [5, 5]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk (run as root, with the right to mount): {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_recording_goes_on_when_there_is_room(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(small_disk, segment_s=4)
    (small_disk / "ballast").write_bytes(bytes(73 * 4096))
    recorder.record(0, 25 * 10)
    status = recorder.sink.status()
    assert (status.state, status.error) == ("reconnecting", "the disk is full")
    assert status.frames + status.dropped == 250
    (small_disk / "ballast").unlink()
    recorder.record(250, 25 * 8)
    assert recorder.sink.status().state == "running"
    recorder.sink.finish()
    files = sorted(small_disk.iterdir())
    assert all(decoded(path) for path in files)
    assert sum(len(decoded(path)) for path in files) >= 50
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


def test_a_disk_that_fills_up_while_a_segment_is_closed_leaves_what_can_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path)
    recorder.record(0, 100)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.CountedFile, "_put", full)
    recorder.sink.finish()
    assert recorder.sink.status().error == "the disk is full"
    (path,) = tmp_path.iterdir()
    assert len(decoded(path)) >= 75


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"segment_s": 0}, "segment: expected a number above 0, got 0"),
        ({"keep_gb": -1.0}, "keep-gb"),
        ({"keep_hours": 0.0}, "hours"),
    ],
)
def test_limits_that_make_no_sense_are_refused(tmp_path: Path, settings: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Segments(tmp_path, moving.info(), **settings)  # type: ignore[arg-type]  # one of the numbers


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputRefused, match="cannot record into"):
        Segments(tmp_path / "file" / "folder", moving.info())


def test_a_folder_that_was_removed_is_made_again_and_recording_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "deep" / "records"
    recorder = Recorder(folder)
    recorder.record(0, 50)
    shutil.rmtree(folder.parent)
    recorder.record(50, 75)
    assert (recorder.sink.status().state, recorder.sink.status().error) == ("running", "")
    recorder.sink.finish()
    (path,) = folder.iterdir()
    assert len(decoded(path)) >= 50
    assert "gate-20260131T120000Z.mp4 was removed; recording goes on in a new file" in caplog.text


def test_a_folder_that_cannot_be_made_again_is_said_until_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    recorder = Recorder(folder)
    recorder.record(0, 50)
    shutil.rmtree(folder)
    folder.write_text("in the way")
    recorder.record(50, 50)
    status = recorder.sink.status()
    assert (status.state, status.error) == ("reconnecting", "a file is in the place of the folder")
    assert status.frames + status.dropped == 100
    folder.unlink()
    recorder.record(100, 200)
    assert (recorder.sink.status().state, recorder.sink.status().error) == ("running", "")
    recorder.sink.finish()
    assert len(list(folder.iterdir())) == 1


def test_old_ones_go_while_no_frame_comes(tmp_path: Path) -> None:
    old = tmp_path / "gate-20260131T100000Z.mp4"
    old.write_bytes(bytes(1000))
    recorder = Recorder(tmp_path, keep_hours=1)
    wait_until(lambda: not old.exists())
    recorder.sink.finish()


def test_what_cannot_be_removed_is_said_once_and_the_rest_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stuck, old = tmp_path / "gate-20200101T000000Z.mp4", tmp_path / "gate-20200102T000000Z.mp4"
    stuck.mkdir()
    old.write_bytes(b"")
    retention = Retention(
        tmp_path,
        "gate",
        segment_s=60,
        keep_hours=1,
        keep_bytes=None,
        current=lambda: None,
        utc=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )
    retention.tidy()
    retention.tidy()
    assert [path.name for path in tmp_path.iterdir()] == [stuck.name]
    assert len([record for record in caplog.records if "cannot remove old recordings of gate" in record.getMessage()]) == 1
