"""One file under several names is one file: what is read is never written over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamer.errors import OutputRefused
from streamer.sinks.same_file import identity, refuse_clashes


@pytest.fixture
def rec(tmp_path: Path) -> Path:
    path = tmp_path / "rec.mp4"
    path.write_bytes(b"a recording")
    return path


@pytest.mark.parametrize("kind", ["hard link", "symlink", "dotted", "through a folder's link", "descriptor", "relative"])
def test_every_name_of_the_input_is_refused(kind: str, rec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.jsonl"
    descriptor = os.open(rec, os.O_RDONLY)
    monkeypatch.chdir(tmp_path)
    if kind == "hard link":
        other.hardlink_to(rec)
    elif kind == "symlink":
        other.symlink_to(rec)
    elif kind == "dotted":
        other = tmp_path / ".." / tmp_path.name / "rec.mp4"
    elif kind == "through a folder's link":
        (tmp_path / "folder").symlink_to(tmp_path)
        other = tmp_path / "folder" / "rec.mp4"
    elif kind == "descriptor":
        other = Path(f"/dev/fd/{descriptor}")
    else:
        other = Path("rec.mp4")
    try:
        with pytest.raises(OutputRefused, match="is the input"):
            refuse_clashes({"the input": str(rec)}, [None, other])
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("address", ["file:{}", "file://{}", "file://localhost{}"])
def test_an_address_of_a_file_is_that_file(address: str, tmp_path: Path) -> None:
    path = tmp_path / "a file.mp4"
    path.write_bytes(b"a recording")
    assert identity(address.format(path)) == identity(path)
    assert identity(address.format(str(path).replace(" ", "%20"))) == identity(path)


def test_a_pipe_from_a_file_is_that_file(rec: Path) -> None:
    descriptor = os.open(rec, os.O_RDONLY)
    try:
        assert identity(f"pipe:{descriptor}") == identity(rec)
    finally:
        os.close(descriptor)


def test_two_outputs_that_are_one_file_are_refused(rec: Path, tmp_path: Path) -> None:
    (tmp_path / "link.json").hardlink_to(rec)
    with pytest.raises(OutputRefused, match=r"the same file as .*another output"):
        refuse_clashes({}, [rec, tmp_path / "link.json"])
    with pytest.raises(OutputRefused, match="another output"):
        refuse_clashes({}, [tmp_path / "new.mp4", tmp_path / "." / "new.mp4"])


def test_what_is_no_file_may_be_named_twice(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    refuse_clashes({"the input": "rtsp://host/1"}, ["/dev/null", "/dev/null", tmp_path / "fifo", tmp_path / "fifo"])
    refuse_clashes({"the input": "https://host/rec.mp4"}, [tmp_path / "rec.mp4"])
