"""A recorder on a disk that is full, slow or taken away, with packets from memory."""

from __future__ import annotations

import errno
import os
import shutil
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from streamer.recording.recorder import PacketRecorder
from streamer.sinks import mp4_file
from streamer.sinks.retention import segment_name
from streamer.sources.packets import CameraPacket, CameraStreams, EncodedStream
from streamer.sources.whole_pictures import is_key
from streamer.stages import State
from tests.camera import RATE, encode_video, units_in
from tests.waiting import wait_until

STREAMS = CameraStreams(video=EncodedStream(codec="h264", extradata=None, rate=Fraction(RATE), header=None))
START_S = 1_800_000_000.0


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> list[CameraPacket]:
    """Eight seconds of a camera with a key frame each second."""
    path = tmp_path_factory.mktemp("units") / "video.units"
    encode_video(path, seconds=8)
    return [
        CameraPacket(
            kind="video",
            data=unit,
            pts=3600 * index,
            dts=None,
            time_base=Fraction(1, 90_000),
            key=is_key("h264", unit),
            arrived_s=index / RATE,
            utc_s=START_S + index / RATE,
            camera_clock=True,
        )
        for index, unit in enumerate(units_in(path))
    ]


class Recording:
    """A recorder that is told when to write."""

    def __init__(self, folder: Path, **settings: float) -> None:
        self.recorder = PacketRecorder(folder, "gate", segment_s=2.0, retry_s=0.001, utc=lambda: START_S, **settings)  # type: ignore[arg-type]  # numbers
        self.recorder.begin(STREAMS)

    def take(self, packets: list[CameraPacket]) -> None:
        for packet in packets:
            self.recorder.take(packet)
        self.recorder._awake.set()
        wait_until(lambda: not self.recorder.status().queued and not self.recorder._queued_bytes)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Holds True while the disk is full."""
    full = [False]
    put = mp4_file.CountedFile._put

    def maybe(file: mp4_file.CountedFile, data: memoryview) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return put(file, data)

    monkeypatch.setattr(mp4_file.CountedFile, "_put", maybe)
    return full


def test_on_a_full_disk_the_oldest_footage_makes_room_and_that_is_said_once(
    tmp_path: Path,
    packets: list[CameraPacket],
    disk: list[bool],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    unlink = Path.unlink

    def freeing(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok=missing_ok)
        disk[0] = False

    recording = Recording(tmp_path)
    recording.take(packets[: 5 * RATE])
    before = sorted(tmp_path.iterdir())
    assert len(before) == 3
    (tmp_path / "holiday.mp4").write_bytes(b"not ours")
    monkeypatch.setattr(Path, "unlink", freeing)
    disk[0] = True
    recording.take(packets[5 * RATE : 6 * RATE])
    recording.take(packets[6 * RATE :])
    recording.recorder.finish(10)
    left = sorted(tmp_path.iterdir())
    assert before[0] not in left
    assert tmp_path / "holiday.mp4" in left
    assert caplog.text.count("the disk is full: the oldest footage makes room") == 1
    assert recording.recorder.status().frames > 6 * RATE


def test_without_anything_to_remove_it_tries_again(tmp_path: Path, packets: list[CameraPacket], disk: list[bool]) -> None:
    recording = Recording(tmp_path)
    disk[0] = True
    recording.take(packets[: 2 * RATE])
    assert recording.recorder.status().state is State.RECONNECTING
    assert recording.recorder.status().error == "the disk is full"
    disk[0] = False
    wait_until(lambda: recording.recorder._clock() > recording.recorder._retry_at)
    recording.take(packets[2 * RATE :])
    assert recording.recorder.status().state is State.RUNNING
    recording.recorder.finish(10)
    assert recording.recorder.status().frames >= 4 * RATE


def test_packets_that_memory_cannot_hold_are_counted_up_to_the_next_key_frame(
    tmp_path: Path, packets: list[CameraPacket], caplog: pytest.LogCaptureFixture
) -> None:
    size = sum(len(packet.data) for packet in packets[: 2 * RATE])
    recording = Recording(tmp_path, queue_bytes=size)
    for packet in packets[: 3 * RATE]:
        recording.recorder.take(packet)
    taken = recording.recorder.status()
    recording.take([])
    for second in range(3, 8):
        recording.take(packets[second * RATE : (second + 1) * RATE])
    recording.recorder.finish(10)
    status = recording.recorder.status()
    assert status.frames + status.dropped == len(packets)
    assert status.dropped == taken.dropped
    assert ("the disk is too slow" in caplog.text) == (status.dropped > 0)


def test_a_folder_that_is_removed_is_made_again(tmp_path: Path, packets: list[CameraPacket]) -> None:
    folder = tmp_path / "files"
    recording = Recording(folder)
    recording.take(packets[:RATE])
    shutil.rmtree(folder)
    recording.recorder._look_at = 0.0
    recording.take(packets[RATE:])
    recording.recorder.finish(10)
    assert list(folder.iterdir())


def test_old_files_go(tmp_path: Path, packets: list[CameraPacket]) -> None:
    old = tmp_path / segment_name("gate", datetime.fromtimestamp(START_S - 7200, UTC), suffix=".mov")
    other = tmp_path / segment_name("door", datetime.fromtimestamp(START_S - 7200, UTC))
    for path in (old, other):
        path.write_bytes(b"footage")
    recording = Recording(tmp_path, keep_hours=1.0)
    recording.take(packets)
    wait_until(lambda: not old.exists())
    recording.recorder.finish(10)
    assert other.exists()
    assert len(list(tmp_path.iterdir())) == 5
