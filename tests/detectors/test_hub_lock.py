"""The lock file of models: what a handle gave first is what it has to give later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.detectors import hub_cache, hub_lock
from streamer.errors import DetectorUnavailable
from tests.detectors.hub_server import Hub, archive, serving


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("STREAMER_MODELS_LOCK", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph" * 100)
    return folder


@pytest.fixture
def hub(source: Path) -> Iterator[Hub]:
    with serving(archive(source)) as running:
        yield running


def test_the_first_download_is_noted(hub: Hub, cache: Path) -> None:
    hub_cache.download(hub.handle())
    noted = json.loads((cache / "models.lock").read_text())["models"]
    assert list(noted) == [hub.handle()]
    assert len(noted[hub.handle()]["archive_sha256"]) == 64
    assert list(noted[hub.handle()]["files"]) == ["saved_model.pb"]


def test_another_model_under_the_same_handle_is_refused_until_it_is_accepted(hub: Hub, source: Path) -> None:
    folder = hub_cache.download(hub.handle())
    (source / "saved_model.pb").write_bytes(b"GRAPH" * 100)
    hub.body = archive(source)
    with pytest.raises(
        DetectorUnavailable, match=r"gives another model than it gave first: file saved_model\.pb has"
    ) as caught:
        hub_cache.download(hub.handle(), again=True)
    assert f"streamer models download hub:{hub.handle()} --accept-changed" in caught.value.hint
    assert (folder / "saved_model.pb").read_bytes() == b"graph" * 100, "what was there stays"
    hub_cache.download(hub.handle(), again=True, accept_changed=True)
    assert (folder / "saved_model.pb").read_bytes() == b"GRAPH" * 100
    hub_cache.download(hub.handle(), again=True)


@pytest.mark.parametrize(("change", "words"), [("more", "file more is new"), ("less", r"file saved_model\.pb is missing")])
def test_files_that_come_and_go_are_named(tmp_path: Path, change: str, words: str) -> None:
    lock = tmp_path / "models.lock"
    hub_lock.write(lock, "handle", hub_lock.Contents(files={"saved_model.pb": "a", "other": "b"}))
    files = {"saved_model.pb": "a", "other": "b", "more": "c"} if change == "more" else {"other": "b"}
    assert hub_lock.difference(lock, "handle", hub_lock.Contents(files=files)) == words.replace("\\", "")


def test_the_same_files_in_another_archive_are_the_same_model(hub: Hub, source: Path) -> None:
    hub_cache.download(hub.handle())
    (source / "saved_model.pb").touch()
    hub.body = archive(source)[:4] + b"\1\2\3\4" + archive(source)[8:]  # the time in gzip's header
    hub_cache.download(hub.handle(), again=True)


def test_the_file_can_lie_elsewhere(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_MODELS_LOCK", str(tmp_path / "project" / "models.lock"))
    hub_cache.download(hub.handle())
    assert hub.handle() in (tmp_path / "project" / "models.lock").read_text()


def test_no_password_is_noted(hub: Hub, cache: Path) -> None:
    hub_cache.download(hub.handle().replace("http://", "http://ada:s3cret@"))
    assert "s3cret" not in (cache / "models.lock").read_text()
    assert hub.handle() in (cache / "models.lock").read_text()


@pytest.mark.parametrize("text", ["{", "{}", '{"models": {"x": 3}}', '{"models": []}'])
def test_a_lock_file_that_cannot_be_read_is_named(hub: Hub, cache: Path, text: str) -> None:
    cache.mkdir()
    (cache / "models.lock").write_text(text)
    with pytest.raises(DetectorUnavailable, match=r"models\.lock cannot be read: .*; mend it, or remove it"):
        hub_cache.download(hub.handle())


def test_a_lock_file_that_cannot_be_written_is_said(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STREAMER_MODELS_LOCK", str(tmp_path / "file" / "models.lock"))
    monkeypatch.setattr(hub_lock, "difference", lambda *_: "")
    hub_cache.download(hub.handle())
    assert "models.lock cannot be written" in caplog.text
