"""Addresses, and what needs no server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from streamer.config.fields import path_of
from streamer.errors import ConfigError
from streamer.object_storage.addresses import address_of, is_below
from streamer.object_storage.scratch import work_folder
from streamer.object_storage.storage import Storage


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("s3://bucket/a b/c.mp4", "s3://bucket/a b/c.mp4"),
        (Path("s3://bucket/a.mp4"), "s3://bucket/a.mp4"),
        (Path("gs://bucket") / "x" / "y.mp4", "gs://bucket/x/y.mp4"),
        ("az://box/", "az://box"),
        ("abfss://box@account.dfs.core.windows.net/a", "abfss://box@account.dfs.core.windows.net/a"),
        ("/s3:/bucket", None),
        ("rtsp://host/s3://x", None),
        ("http://host/a.mp4", None),
        ("s3", None),
        (None, None),
    ],
)
def test_what_is_an_address(name: str | Path | None, address: str | None) -> None:
    assert address_of(name) == address


def test_what_lies_in_what() -> None:
    assert is_below("s3://a/b", "s3://a/b")
    assert is_below("s3://a/b/c", "s3://a/b")
    assert not is_below("s3://a/bc", "s3://a/b")


def test_file_addresses_are_paths() -> None:
    assert path_of("file:///a b/c.mp4") == "/a b/c.mp4"
    assert path_of("file://localhost/a") == "/a"
    assert path_of("file://elsewhere/a") == "file://elsewhere/a"
    assert path_of("a/file:///b") == "a/file:///b"


@pytest.mark.parametrize(
    ("scheme", "module", "told"), [("s3", "fsspec", "object-storage"), ("gs", "gcsfs", "pip install gcsfs")]
)
def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, scheme: str, module: str, told: str) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=told):
        Storage(f"{scheme}://bucket/a")


def test_a_password_in_an_address_is_refused_and_hidden() -> None:
    with pytest.raises(ConfigError, match=r"s3://me:\*\*\*@bucket/a holds a password"):
        Storage("s3://me:hidden-w0rd@bucket/a")


def test_work_that_a_killed_process_has_left_is_removed_and_that_of_others_is_not(tmp_path: Path) -> None:
    left = tmp_path / "work-left"
    left.mkdir()
    (left / "a.mp4").touch()
    with work_folder(tmp_path) as first:
        assert not left.exists()
        (first / "a").touch()
        with work_folder(tmp_path) as second:
            assert (first / "a").exists()
            assert second != first
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
