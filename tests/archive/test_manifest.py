"""What is known of earlier work after a kill, and what counts as done."""

from __future__ import annotations

import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamer.archive.annotation_task import AnnotationTask
from streamer.archive.manifest import MANIFEST, Manifest
from streamer.config.annotate import AnnotateConfig
from streamer.errors import ConfigError, OutputRefused, OutputWriteFailed


def task(tmp_path: Path, **more: object) -> AnnotationTask:
    return AnnotationTask(AnnotateConfig.model_validate({"input": "in", "output": tmp_path / "out", **more}))


def finished(tmp_path: Path) -> Path:
    """A manifest that says that ``a`` is done."""
    with Manifest(tmp_path / "out", task(tmp_path)) as manifest:
        result = tmp_path / "out" / "a.mp4"
        result.write_bytes(b"12345")
        manifest.begun("a.mp4")
        manifest.done("a.mp4", "print", [str(result)], 5)
    return result


def test_done_is_what_has_the_same_content_settings_and_results(tmp_path: Path) -> None:
    result = finished(tmp_path)
    with Manifest(tmp_path / "out", task(tmp_path, resume=True)) as manifest:
        assert manifest.is_done("a.mp4", "print", [result])
        assert not manifest.is_done("a.mp4", "another", [result])
        assert not manifest.is_done("a.mp4", None, [result])
        assert not manifest.is_done("b.mp4", "print", [result])
        assert not manifest.is_done("a.mp4", "print", [result, tmp_path / "records.jsonl"])
    with Manifest(tmp_path / "out", task(tmp_path, resume=True, crf=30)) as manifest:
        assert not manifest.is_done("a.mp4", "print", [result])
        assert manifest.is_ours("a.mp4")
    result.write_bytes(b"123")
    with Manifest(tmp_path / "out", task(tmp_path, resume=True)) as manifest:
        assert not manifest.is_done("a.mp4", "print", [result])


def test_a_line_that_a_kill_has_torn_is_removed_wherever_it_was_torn(tmp_path: Path) -> None:
    result = finished(tmp_path)
    path = tmp_path / "out" / MANIFEST
    content = path.read_bytes()
    first = content.index(b"\n") + 1
    for length in range(first, len(content) + 1):
        path.write_bytes(content[:length])
        with Manifest(tmp_path / "out", task(tmp_path, resume=True)) as manifest:
            assert manifest.is_ours("a.mp4")
            assert manifest.is_done("a.mp4", "print", [result]) == (length == len(content))
            manifest.begun("b.mp4")
        assert path.read_bytes().count(b"\n") == (2 if length < len(content) else 3)


def test_earlier_work_is_neither_repeated_nor_replaced_unasked(tmp_path: Path) -> None:
    result = finished(tmp_path)
    with pytest.raises(OutputRefused, match="--resume"):
        Manifest(tmp_path / "out", task(tmp_path))
    with Manifest(tmp_path / "out", task(tmp_path, overwrite=True)) as manifest:
        assert not manifest.is_done("a.mp4", "print", [result])
        assert manifest.is_ours("a.mp4")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with Manifest(tmp_path / "out", task(tmp_path)), pytest.raises(OutputRefused, match="another process"):
        Manifest(tmp_path / "out", task(tmp_path, resume=True))


def test_settings_are_known_again_by_what_a_result_depends_on(tmp_path: Path) -> None:
    zones = tmp_path / "zones.yaml"
    zones.write_text("zones: {}", encoding="utf-8")
    same = task(tmp_path, zones_file=zones).digest()
    assert task(tmp_path, zones_file=zones, workers=4, resume=True, quiet=True).digest() == same
    assert task(tmp_path, zones_file=zones, draw="boxes,labels").digest() != same
    assert task(tmp_path, zones_file=zones, detections=tmp_path / "records").digest() != same
    zones.write_text("zones: {a: 1}", encoding="utf-8")
    assert task(tmp_path, zones_file=zones).digest() != same


@pytest.mark.parametrize(
    "line", [b"", b"5", b"[]", b"{}", b'{"name": "a"}', b'{"name": "a", "state": "done", "files": 5}', b"\xff"]
)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    finished(tmp_path)
    with (tmp_path / "out" / MANIFEST).open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(ConfigError, match="line 3 is no entry"):
        Manifest(tmp_path / "out", task(tmp_path, resume=True))


def test_what_a_full_disk_does_not_take_is_written_whole_once_it_does(tmp_path: Path) -> None:
    path = tmp_path / "out" / MANIFEST
    with Manifest(tmp_path / "out", task(tmp_path)) as manifest:
        manifest.begun("a.mp4")
        manifest.begun("b.mp4")
        before = path.read_bytes()
        with file_size_limit(len(before) + 20):  # some of an entry can be written
            manifest.done("a.mp4", "print", [], 5)
            manifest.failed("b.mp4", "no room")
            with pytest.raises(OutputWriteFailed):
                manifest.begun("c.mp4")
            assert not manifest.is_ours("c.mp4")
            ((name, reason),) = manifest.unsaid()
            assert (name, "cannot be written" in reason) == ("a.mp4", True)
            assert path.read_bytes() == before
        assert manifest.unsaid() == []
    with Manifest(tmp_path / "out", task(tmp_path, resume=True)) as manifest:
        assert manifest.is_done("a.mp4", "print", [])
        assert not manifest.is_done("b.mp4", "print", [])


def test_a_manifest_that_was_removed_comes_back_with_all_that_it_said(tmp_path: Path) -> None:
    path = tmp_path / "out" / MANIFEST
    with Manifest(tmp_path / "out", task(tmp_path)) as manifest:
        manifest.begun("a.mp4")
        shutil.rmtree(tmp_path / "out")
        with file_size_limit(20), pytest.raises(OutputWriteFailed):
            manifest.begun("b.mp4")
        manifest.done("a.mp4", "print", [], 5)
        assert path.read_bytes().count(b"\n") == 2
        with pytest.raises(OutputRefused, match="another process"):
            Manifest(tmp_path / "out", task(tmp_path, resume=True))
        path.unlink()
        manifest.begun("b.mp4")
    with Manifest(tmp_path / "out", task(tmp_path, resume=True)) as manifest:
        assert manifest.is_done("a.mp4", "print", [])
        assert manifest.unfinished() == {"b.mp4"}


def test_a_result_that_may_have_grown_has_to_be_there(tmp_path: Path) -> None:
    result, events = tmp_path / "out" / "a.mp4", tmp_path / "events" / "a.mp4" / "events.db"
    events.parent.mkdir(parents=True)
    with Manifest(tmp_path / "out", task(tmp_path)) as manifest:
        for file in (result, events):
            file.write_bytes(b"12345")
        manifest.done("a.mp4", "print", [str(result), str(events)], 5)
    events.write_bytes(b"1234567")
    with Manifest(tmp_path / "out", task(tmp_path, resume=True)) as manifest:
        assert manifest.is_done("a.mp4", "print", [result])
        events.unlink()
        assert not manifest.is_done("a.mp4", "print", [result])


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process can grow beyond ``size`` bytes, as on a full disk."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        signal.signal(signal.SIGXFSZ, before)
