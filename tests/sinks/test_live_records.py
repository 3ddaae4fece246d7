"""Records of a live source go on after a failure, in a new file."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from streamer.instances import Instances
from streamer.sinks.live_records import LiveRecords
from streamer.sinks.records import Records, read_records
from tests.fakes import INFO, LABELS, annotated


class Recorder:
    """Records on a clock that goes on by 2 s a frame."""

    def __init__(self, path: Path) -> None:
        self.now = 0.0
        self.index = 0
        self.sink = LiveRecords(path, lambda path: Records(path, INFO, LABELS, "fake"), clock=lambda: self.now, rng=lambda: 0.0)

    def record(self, count: int) -> None:
        for _ in range(count):
            self.sink.write(annotated(self.index, Instances.empty()))
            self.now += 2.0
            self.index += 1


def indices(path: Path) -> list[int]:
    return [line["frame"] for line in read_records(path) if line["type"] == "frame"]


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "records" / "d.jsonl"
    path.parent.mkdir()
    recorder = Recorder(path)
    recorder.record(3)
    shutil.rmtree(path.parent)
    recorder.record(3)
    assert (recorder.sink.status().state, recorder.sink.status().error) == ("running", "")
    recorder.sink.finish()
    assert indices(path) == [3, 4, 5]
    assert [line["type"] for line in read_records(path)][::4] == ["stream", "end"]
    assert "records d.jsonl: the file was removed; records go on in a new one" in caplog.text


def test_after_a_full_disk_they_go_on_in_the_next_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "d.jsonl"
    recorder = Recorder(path)
    recorder.record(3)
    with monkeypatch.context() as patch:

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(os, "write", full)
        recorder.record(6)
        status = recorder.sink.status()
        assert (status.state, status.frames, status.dropped) == ("reconnecting", 3, 6)
        assert "No space left on device" in status.error
    recorder.record(6)
    recorder.sink.finish()
    assert indices(path) == [0, 1, 2]
    (following,) = tmp_path.glob("d-*.jsonl")
    kept = indices(following)
    assert kept == list(range(kept[0], 15))
    assert recorder.sink.status().frames + recorder.sink.status().dropped == 15
    assert f"records d.jsonl: goes on in {following}" in caplog.text
