"""One file of a live source, and what follows it where it cannot go on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import av
import pytest

from streamer.errors import OutputRefused, OutputWriteFailed
from streamer.sinks import mp4_file
from streamer.sinks.live_file import LiveFile
from tests.sinks import moving


def record(sink: LiveFile, first: int, count: int, *, later_s: float = 0.0) -> None:
    for index in range(first, first + count):
        item = moving.item(index)
        item.frame.pts += round(later_s * moving.TIME_BASE.denominator)
        sink.write(item)


def decoded(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [moving.index_of(frame) for frame in container.decode(video=0)]


def test_it_plays_while_it_grows_and_is_whole_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "o.mp4"
    sink = LiveFile(path, moving.info())
    record(sink, 0, 50)
    assert len(decoded(path)) >= 25
    record(sink, 50, 50)
    sink.finish()
    assert [file.name for file in tmp_path.iterdir()] == ["o.mp4"]
    assert decoded(path) == [index % moving.GREYS for index in range(100)]
    assert (sink.status().name, sink.status().state, sink.status().frames) == ("record o.mp4", "ended", 100)


def test_after_a_pause_too_long_for_mp4_it_goes_on_in_another_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "o-2.mp4").write_text("somebody else's")
    sink = LiveFile(tmp_path / "o.mp4", moving.info())
    record(sink, 0, 30)
    record(sink, 30, 20, later_s=54_000.0)
    sink.finish()
    assert len(decoded(tmp_path / "o.mp4")) == 30
    assert len(decoded(tmp_path / "o-3.mp4")) == 20
    with av.open(str(tmp_path / "o-3.mp4")) as container:
        assert container.duration is not None
        assert container.duration < 2_000_000, "from 0 on"
    assert f"record o.mp4: goes on in {tmp_path / 'o-3.mp4'}" in caplog.text


def test_a_disk_that_is_full_keeps_what_was_recorded_and_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = LiveFile(tmp_path / "o.mp4", moving.info())
    record(sink, 0, 100)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(mp4_file.CountedFile, "_put", full)
    record(sink, 100, 50)
    assert (sink.status().state, sink.status().error) == ("reconnecting", "the disk is full")
    assert sink.status().frames + sink.status().dropped == 150
    with pytest.raises(OutputWriteFailed, match=r"o\.mp4: the disk is full; what was recorded before that plays"):
        sink.finish()
    assert [file.name for file in tmp_path.iterdir()] == ["o.mp4"]
    assert len(decoded(tmp_path / "o.mp4")) >= 75


def test_a_file_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "o.mp4"
    path.write_text("old")
    with pytest.raises(OutputRefused, match="exists"):
        LiveFile(path, moving.info())
    sink = LiveFile(path, moving.info(), overwrite=True)
    assert path.read_text(encoding="ascii") == "old", "until there is something to replace it with"
    record(sink, 0, 10)
    sink.finish()
    assert len(decoded(path)) == 10


def test_no_folder_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="there is no folder"):
        LiveFile(tmp_path / "nowhere" / "o.mp4", moving.info())
