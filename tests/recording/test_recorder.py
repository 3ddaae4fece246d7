"""What a real camera sends, against what is in the files: every packet once, in order, bit for bit."""

from __future__ import annotations

import itertools
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import av
import pytest

from streamer.recording.clips import cut_clip
from streamer.recording.recorder import PacketRecorder
from streamer.recording.segment_file import read_start_note
from streamer.sources.packet_source import PacketSource
from streamer.stages import State
from tests.camera import RATE, MakeCamera, encode_video, make_camera, recorded
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

__all__ = ["make_camera"]


@contextmanager
def recording(
    url: str, folder: Path, *, transport: Literal["auto", "tcp", "udp"] = "auto", **settings: Any
) -> Iterator[tuple[PacketRecorder, PacketSource]]:
    recorder = PacketRecorder(folder, "gate", **settings)
    source = PacketSource(url, recorder, transport=transport, reconnect_initial_delay_s=0.1, reconnect_max_delay_s=0.3)
    thread = threading.Thread(target=source.run, name="source")
    thread.start()
    try:
        yield recorder, source
    finally:
        source.interrupt()
        thread.join()
        recorder.finish(10)


def times(path: Path, kind: str = "video") -> list[float]:
    with av.open(str(path)) as container:
        stream = container.streams.best(kind)  # type: ignore[arg-type]  # a kind
        assert stream is not None
        return [float(packet.pts * packet.time_base) for packet in container.demux(stream) if packet.pts is not None]


def assert_without_gap(numbers: list[int]) -> None:
    assert numbers
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize(
    ("codec", "sound", "suffix", "kept"),
    [
        ("h264", "aac", ".mp4", "aac"),
        ("h264", "pcm_alaw", ".mov", "pcm_alaw"),
        ("h264", "g726", ".mov", "pcm_s16le"),
        ("hevc", "", ".mp4", None),
        ("mjpeg", "", ".mp4", None),
    ],
)
def test_every_packet_is_in_a_file_once(
    tmp_path: Path, make_camera: MakeCamera, codec: str, sound: str, suffix: str, kept: str | None
) -> None:
    camera = make_camera(codec, sound=sound)
    with recording(camera.url, tmp_path, segment_s=1.0) as (recorder, _):
        wait_until(lambda: recorder.status().frames >= 4 * RATE)
    files = sorted(tmp_path.iterdir())
    assert len(files) >= 3
    assert {path.suffix for path in files} == {suffix}
    numbers = recorded(tmp_path, camera)
    assert_without_gap(numbers)
    assert len(numbers) == recorder.status().frames
    assert recorder.status().dropped == 0
    for path in files:
        shown = times(path)
        assert shown == pytest.approx([shown[0] + index / RATE for index in range(len(shown))], abs=0.002)
        with av.open(str(path)) as container:
            note = read_start_note(container.metadata)
            assert note is not None
            assert note[0].strftime("%Y%m%dT%H%M%SZ") in path.name
            assert [each.codec_context.name for each in container.streams.audio] == ([] if kept is None else [kept])
    if kept is not None:
        assert sum(len(times(path, "audio")) for path in files) > 0


def test_the_first_key_frame_is_kept_and_a_long_group_is_not_lost(tmp_path: Path, make_camera: MakeCamera) -> None:
    camera = make_camera(gop=250)
    with recording(camera.url, tmp_path) as (recorder, _):
        wait_until(lambda: recorder.status().frames >= RATE)
    assert recorded(tmp_path, camera)[0] == 0
    assert recorder.status().frames == len(recorded(tmp_path, camera))


def test_a_restarted_camera_begins_a_new_file(tmp_path: Path, make_camera: MakeCamera) -> None:
    camera = make_camera(sound="aac")
    with recording(camera.url, tmp_path) as (recorder, source):
        wait_until(lambda: recorder.status().frames >= RATE)
        camera.stop(signal.SIGKILL)
        wait_until(lambda: source.state is State.RECONNECTING)
        before = recorder.status().frames
        camera.start()
        wait_until(lambda: recorder.status().frames >= before + RATE)
        assert source.stats.reconnects == 1
    numbers = recorded(tmp_path, camera)
    assert len(list(tmp_path.iterdir())) == 2
    second = numbers.index(0, 1)
    assert_without_gap(numbers[:second])
    assert_without_gap(numbers[second:])


def test_time_that_goes_back_goes_on_in_the_file(tmp_path: Path, make_camera: MakeCamera) -> None:
    camera = make_camera(sound="aac")
    with recording(camera.url, tmp_path) as (recorder, _):
        wait_until(lambda: recorder.status().frames >= 4 * RATE)
        camera.tell("jump -3")
        wait_until(lambda: recorder.status().frames >= 7 * RATE)
    assert_without_gap(recorded(tmp_path, camera))
    (path,) = tmp_path.iterdir()
    for kind in ("video", "audio"):
        shown = times(path, kind)
        assert all(0 < later - earlier < 0.5 for earlier, later in itertools.pairwise(shown)), kind


def test_a_new_size_begins_a_new_file(tmp_path: Path, make_camera: MakeCamera) -> None:
    camera = make_camera()
    other = tmp_path / "other.units"
    encode_video(other, size=(256, 128), seconds=4, shade=99)
    folder = tmp_path / "files"
    with recording(camera.url, folder) as (recorder, _):
        wait_until(lambda: recorder.status().frames >= RATE)
        camera.tell(f"switch {other}")
        wait_until(lambda: len(list(folder.iterdir())) == 2)
        before = recorder.status().frames
        wait_until(lambda: recorder.status().frames >= before + RATE)
    sizes = []
    for path in sorted(folder.iterdir()):
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            sizes.append((video.width, video.height))
            assert all((frame.width, frame.height) == sizes[-1] for frame in container.decode(video))
    assert sizes == [(320, 192), (256, 128)]


def test_a_growing_file_plays_and_clips_are_never_shorter_than_asked(tmp_path: Path, make_camera: MakeCamera) -> None:
    camera = make_camera(sound="aac", gop=50)
    folder = tmp_path / "files"
    with recording(camera.url, folder, segment_s=2.0) as (recorder, _):
        wait_until(lambda: recorder.status().frames >= 6 * RATE)
        until = recorder.recorded_until_utc_s
        assert until is not None
        start, end = until - 4.0, until - 1.5
        clip = cut_clip(folder, "gate", start, end, tmp_path / "clip.mp4")
        assert clip.start_utc_s <= start
        assert clip.end_utc_s >= end
        with av.open(str(clip.paths[0])) as container:
            noted = read_start_note(container.metadata)
        assert noted is not None, "it says when it began"
        assert noted[0].timestamp() == pytest.approx(clip.start_utc_s, abs=0.1)
        assert list(tmp_path.glob("*clip*")) == list(clip.paths)
        shown = times(clip.paths[0])
        assert shown[-1] - shown[0] >= end - start
        checked = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", str(clip.paths[0]), "-f", "null", "-"], capture_output=True, text=True, check=True
        )
        assert not checked.stderr
    clips = tmp_path / "clips"
    clips.mkdir()
    clip.paths[0].rename(clips / "clip.mp4")
    assert_without_gap(recorded(clips, camera))


def test_events_begin_with_what_was_before_and_end_after_them(tmp_path: Path, make_camera: MakeCamera) -> None:
    camera = make_camera()
    with recording(camera.url, tmp_path, mode="events", preroll_s=1.0) as (recorder, source):
        wait_until(lambda: source.stats.frames >= 4 * RATE)
        assert not list(tmp_path.iterdir())
        last = source.stats.frames
        recorder.hold(source.since_utc_s + 2.5)
        wait_until(lambda: recorder.status().frames >= 2 * RATE)
        until = recorder.recorded_until_utc_s
        assert until is not None
        recorder.release(until)
        held = source.stats.frames
        wait_until(lambda: source.stats.frames >= held + 3 * RATE)
    numbers = recorded(tmp_path, camera)
    assert_without_gap(numbers)
    assert numbers[0] % RATE == 0, "a key frame"
    assert numbers[0] <= last - RATE
    assert numbers[-1] < source.stats.frames - RATE
    assert len(list(tmp_path.iterdir())) == 1
