"""The output is whole or not there; no fault leaves a stray file, and a kill leaves one that plays."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest

from streamer.errors import ConfigError, EncoderUnavailable, OutputRefused, OutputWriteFailed, StageFailed
from streamer.instances import Instances
from streamer.pipeline import Pipeline
from streamer.sinks.atomic import PendingFile
from streamer.sinks.encoder import VideoEncoder
from streamer.sources.video import VideoFile
from streamer.stages import Annotated
from tests.fakes import FakePerception, draw_nothing
from tests.media import Clip, frame_times, packet_times
from tests.road import reencode

pytestmark = pytest.mark.slow


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return Clip(audio=("-c:a", "aac")).write(tmp_path / "in" / "clip.mp4")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_an_existing_output_is_refused_and_left_alone(clip: Path, out: Path) -> None:
    (out / "o.mp4").write_text("precious")
    with pytest.raises(OutputRefused, match=r"exists; .*--overwrite"):
        reencode(clip, out / "o.mp4")
    assert [(e.name, e.read_text()) for e in out.iterdir()] == [("o.mp4", "precious")]
    reencode(clip, out / "o.mp4", overwrite=True)
    assert len(frame_times(out / "o.mp4")) == 30


@pytest.mark.parametrize("kind", ["same", "symlink", "hard link", "dotted"])
def test_the_input_is_never_the_output(kind: str, clip: Path, out: Path) -> None:
    before = clip.read_bytes()
    target = {"same": clip, "dotted": clip.parent / ".." / "in" / "clip.mp4"}.get(kind, out / "o.mp4")
    if kind == "symlink":
        target.symlink_to(clip)
    if kind == "hard link":
        target.hardlink_to(clip)
    with pytest.raises(OutputRefused, match="is the input"):
        reencode(clip, target, overwrite=True)
    assert clip.read_bytes() == before


def test_a_link_to_the_output_is_followed(clip: Path, out: Path) -> None:
    (out / "link.mp4").symlink_to(out / "real.mp4")
    reencode(clip, out / "link.mp4")
    assert (out / "link.mp4").is_symlink()
    assert len(frame_times(out / "real.mp4")) == 30


@pytest.mark.parametrize(
    ("name", "options", "error", "says"),
    [
        ("missing/o.mp4", {}, OutputRefused, "no folder"),
        (".", {}, OutputRefused, "is a folder"),
        ("o.xyz", {}, OutputRefused, r"\.xyz; give one of .*\.mkv.*\.mp4"),
        ("o", {}, OutputRefused, "without an ending"),
        ("o.avi", {}, OutputRefused, r"\.avi"),
        ("o.webm", {"encoder": "libx264"}, OutputRefused, "libvpx-vp9"),
        ("o.mp4", {"encoder": "libx246"}, EncoderUnavailable, "did you mean libx26"),
        ("o.mp4", {"crf": 52}, ConfigError, "from 0 .* to 51"),
        ("o.mp4", {"crf": -1}, ConfigError, "from 0 .* to 51"),
        ("o.mp4", {"encoder": "libsvtav1", "crf": 20.5}, ConfigError, "whole number"),
        ("o.mp4", {"preset": "quick"}, ConfigError, "ultrafast"),
        ("o.mp4", {"audio": "mp3"}, ConfigError, "copy or none"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(
    name: str, options: dict[str, object], error: type[Exception], says: str, clip: Path, out: Path
) -> None:
    source = VideoFile(clip)
    with pytest.raises(error, match=says):
        VideoEncoder(out / name, source.open(), source=source, **options)  # type: ignore[arg-type]  # wrong ones among them
    source.close()
    assert list(out.iterdir()) == []


def test_an_encoder_that_does_not_open_names_those_that_do(clip: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.sinks.encoders.opens", lambda name: name != "libx265")
    with pytest.raises(EncoderUnavailable, match=r"libx265 does not open .*libx264"):
        reencode(clip, out / "o.mp4", encoder="libx265")
    assert list(out.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_refused(clip: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write anywhere: what the system says is put in its mouth.
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(OutputRefused, match="may not be written"):
        reencode(clip, out / "o.mp4")


def test_a_file_that_comes_into_being_meanwhile_is_not_overwritten(clip: Path, out: Path) -> None:
    source = VideoFile(clip)
    encoder = VideoEncoder(out / "o.mp4", source.open(), source=source)
    for frame in source.frames():
        encoder.write(Annotated(frame, Instances.empty()))
    source.close()
    (out / "o.mp4").write_text("precious")
    with pytest.raises(OutputRefused, match="meanwhile"):
        encoder.finish()
    assert (out / "o.mp4").read_text() == "precious"
    # Hours of work are not thrown away for a name.
    (finished,) = (entry for entry in out.iterdir() if entry.name != "o.mp4")
    assert frame_times(finished) == frame_times(clip)


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_abandoning_leaves_nothing_and_may_come_twice(ending: str, clip: Path, out: Path) -> None:
    source = VideoFile(clip)
    encoder = VideoEncoder(out / f"o.{ending}", source.open(), source=source)
    frames = source.frames()
    for _ in range(12):
        encoder.write(Annotated(next(frames), Instances.empty()))
    assert len(list(out.iterdir())) == 1
    encoder.abandon()
    encoder.abandon()
    source.close()
    assert list(out.iterdir()) == []


def test_no_frame_no_file(clip: Path, out: Path) -> None:
    source = VideoFile(clip)
    encoder = VideoEncoder(out / "o.mp4", source.open(), source=source)
    source.close()
    encoder.finish()
    assert list(out.iterdir()) == []
    assert encoder.notes == [f"no frame came: {out / 'o.mp4'} was not written"]


@pytest.mark.parametrize("at", [0, 7])
def test_the_frames_before_a_detector_failed_are_a_whole_file(at: int, clip: Path, out: Path) -> None:
    def fail(index: int) -> None:
        if index == at:
            raise RuntimeError("broken")

    source = VideoFile(clip)
    encoder = VideoEncoder(out / "o.mp4", source.open(), source=source)
    with pytest.raises(StageFailed, match="broken"):
        Pipeline(source, FakePerception(fail), draw_nothing, [encoder]).run()
    assert list(out.iterdir()) == ([out / "o.mp4"] if at else [])
    if at:
        assert frame_times(out / "o.mp4") == frame_times(clip)[:at]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_full_disk_keeps_what_plays_and_says_where(ending: str, share: float, tmp_path: Path, out: Path) -> None:
    """The limit strikes while encoding, and near the end, where an MP4 is put in its final shape."""
    clip = Clip(seconds=8, audio=("-c:a", "aac")).write(tmp_path / "clip.mp4")
    reencode(clip, out / f"whole.{ending}")
    limit = int((out / f"whole.{ending}").stat().st_size * share)
    (out / f"whole.{ending}").unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    source = VideoFile(clip)
    info = source.open()
    encoder = VideoEncoder(out / f"o.{ending}", info, source=source, preset="ultrafast")
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(StageFailed, match=rf"cannot be written.*{out}/o\.incomplete\.{ending}") as caught:
            Pipeline(source, FakePerception(), draw_nothing, [encoder]).run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(caught.value.__cause__, OutputWriteFailed)
    assert [entry.name for entry in out.iterdir()] == [f"o.incomplete.{ending}"]
    kept, whole = frame_times(out / f"o.incomplete.{ending}"), frame_times(clip)
    if ending != "ts":  # whose times begin later, as its notes say
        assert kept == whole[: len(kept)]
    assert len(kept) > share * 0.5 * len(whole)


def test_nothing_that_plays_is_not_kept(clip: Path, out: Path) -> None:
    source = VideoFile(clip)
    encoder = VideoEncoder(out / "o.mp4", source.open(), source=source)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(StageFailed, match="cannot be written"):
            Pipeline(source, FakePerception(), draw_nothing, [encoder]).run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_folder_that_is_removed_meanwhile_comes_back_with_the_file(ending: str, clip: Path, out: Path) -> None:
    source = VideoFile(clip)
    encoder = VideoEncoder(out / f"o.{ending}", source.open(), source=source)
    for frame in source.frames():
        encoder.write(Annotated(frame, Instances.empty()))
        if frame.index == 20:
            shutil.rmtree(out)
    source.close()
    encoder.finish()
    assert [entry.name for entry in out.iterdir()] == [f"o.{ending}"]
    assert frame_times(out / f"o.{ending}") == frame_times(clip)


@pytest.mark.parametrize("made", [1, 2], ids=["fragments", "final"])
def test_a_temporary_file_that_is_removed_before_it_is_opened_costs_nothing(
    made: int, clip: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, files = PendingFile._make, []

    def made_and_removed(pending: PendingFile) -> tuple[Path, int]:
        files.append(make(pending))
        if len(files) == made:
            files[-1][0].unlink()
        return files[-1]

    monkeypatch.setattr(PendingFile, "_make", made_and_removed)
    source = VideoFile(clip)
    encoder = VideoEncoder(out / "o.mp4", source.open(), source=source)
    for frame in source.frames():
        encoder.write(Annotated(frame, Instances.empty()))
    source.close()
    encoder.finish()
    assert [entry.name for entry in out.iterdir()] == ["o.mp4"]
    assert frame_times(out / "o.mp4") == frame_times(clip)


def test_a_failing_last_step_leaves_the_fragments(clip: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out / "o.incomplete.mp4").write_text("of the day before")
    source = VideoFile(clip)
    encoder = VideoEncoder(out / "o.mp4", source.open(), source=source)
    for frame in source.frames():
        encoder.write(Annotated(frame, Instances.empty()))
    source.close()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(VideoEncoder, "_put_in_final_shape", full)
    with pytest.raises(OutputWriteFailed, match=r"No space left.*kept as .*o\.incomplete-2\.mp4"):
        encoder.finish()
    assert sorted(entry.name for entry in out.iterdir()) == ["o.incomplete-2.mp4", "o.incomplete.mp4"]
    assert frame_times(out / "o.incomplete-2.mp4") == frame_times(clip)


RUN = """
import sys
from streamer.pipeline import Pipeline
from tests.road import reencode
reencode(sys.argv[1], sys.argv[2], audio="copy")
"""


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_killed_run_leaves_a_file_that_plays(
    ending: str, tmp_path: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    long = Clip(seconds=120, size="320x240", audio=("-c:a", "aac"))
    clip = long.write(tmp_path / "long.mp4")
    run = subprocess.Popen([sys.executable, "-c", RUN, str(clip), str(out / f"o.{ending}")], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 60
    try:
        while sum(entry.stat().st_size for entry in out.iterdir()) < 300_000:
            assert run.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    (left,) = out.iterdir()
    assert left.name.startswith(".o.partial-")
    assert left.suffix == f".{ending}"
    times = frame_times(left)
    assert len(times) > 25
    assert times == frame_times(clip)[: len(times)]
    assert len(packet_times(left, "a:0")) > 25
    # What is left disturbs nobody, and goes when there is a whole one.
    short = Clip(seconds=0.2).write(tmp_path / "short.mp4")
    reencode(short, out / f"o.{ending}")
    assert len(frame_times(out / f"o.{ending}")) == 5
    assert left.name in caplog.text
    assert not left.exists()


def test_the_index_of_an_mp4_stands_first(clip: Path, out: Path) -> None:
    reencode(clip, out / "o.mp4")
    data = (out / "o.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    assert b"moof" not in data
    assert (out / "o.mp4").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_fifo_is_no_output(clip: Path, out: Path) -> None:
    os.mkfifo(out / "o.mp4")
    with pytest.raises(OutputRefused, match="no ordinary file"):
        reencode(clip, out / "o.mp4", overwrite=True)


@pytest.mark.parametrize("damage", ["cut.mp4", "cut.mkv", "cut.ts", "holes.mp4", "holes.mkv", "holes.ts"])
def test_damage_is_counted_and_passed_over(damage: str, tmp_path: Path, out: Path) -> None:
    """What Debian's decoder gets out of the damaged clip is in the output, and no frame less."""
    kind, ending = damage.split(".")
    flags = ("-movflags", "faststart") if ending == "mp4" else ()
    whole = Clip(seconds=2, audio=("-c:a", "aac"), output=flags).write(tmp_path / f"whole.{ending}")
    data = bytearray(whole.read_bytes())
    if kind == "cut":
        del data[len(data) * 2 // 3 :]
    else:
        for place in (0.4, 0.5, 0.6):
            start = int(len(data) * place)
            data[start : start + 300] = bytes(300)
    clip = tmp_path / f"damaged.{ending}"
    clip.write_bytes(data)
    expected = frame_times(clip)
    road = reencode(clip, out / "o.mp4")
    assert [time for time in frame_times(out / "o.mp4") if time in set(expected)] == expected
    assert len(frame_times(out / "o.mp4")) == road.stats.frames_in
    if kind == "cut" and ending == "mp4":
        assert road.source.damaged_packets > 0


def test_sound_stored_behind_the_picture_is_put_beside_it(tmp_path: Path, out: Path) -> None:
    """Not in turns: the picture's packets first, then all of the sound's."""
    turns = Clip(seconds=3, audio=("-c:a", "aac")).write(tmp_path / "turns.mkv")
    clip = tmp_path / "apart.mkv"
    with av.open(str(turns)) as given, av.open(str(clip), "w", container_options={"max_interleave_delta": "1"}) as apart:
        copies = {s.index: apart.add_stream_from_template(s, opaque=True) for s in given.streams}
        packets = [packet for packet in given.demux() if packet.size]
        for packet in sorted(packets, key=lambda packet: packet.stream_index):
            packet.stream = copies[packet.stream_index]
            apart.mux_one(packet)
    order = [packet.stream_index for packet in av.open(str(clip)).demux() if packet.size]
    assert order[:70] == [0] * 70
    reencode(clip, out / "o.mkv")
    assert frame_times(out / "o.mkv") == frame_times(clip)
    assert packet_times(out / "o.mkv", "a:0") == packet_times(clip, "a:0")
    mixed = [packet.stream_index for packet in av.open(str(out / "o.mkv")).demux() if packet.size]
    assert mixed.index(1) < 10
    assert 0 in mixed[-10:]
