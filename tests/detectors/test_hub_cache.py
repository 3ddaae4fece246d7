"""The cache of Hub models: whole or not there, through broken transfers, kills and damage."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.detectors import hub_cache
from streamer.errors import ConfigError, DetectorUnavailable
from tests.detectors.hub_server import Hub, archive, serving


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    source = tmp_path / "source"
    (source / "variables").mkdir(parents=True)
    (source / "saved_model.pb").write_bytes(b"graph" * 1000)
    (source / "variables" / "variables.index").write_bytes(bytes(range(256)) * 50)
    with serving(archive(source)) as running:
        yield running


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def leftovers(cache: Path) -> list[str]:
    return [path.name for path in cache.glob("*.part")]


def test_the_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", "/somewhere")
    assert hub_cache.root() == Path("/somewhere")
    monkeypatch.delenv("TFHUB_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert hub_cache.root() == Path("/xdg/streamer/hub")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert hub_cache.root() == Path("/home/ada/.cache/streamer/hub")


def test_a_download_is_verified_and_done_once(hub: Hub, cache: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    folder = hub_cache.download(hub.handle() + "/", lambda done, total: seen.append((done, total)))
    assert folder == cache / hashlib.sha1(hub.handle().encode()).hexdigest()
    assert files(folder) == ["saved_model.pb", hub_cache.MANIFEST, "variables/variables.index"]
    assert seen[-1] == (len(hub.body), len(hub.body))
    assert hub_cache.is_whole(folder)
    assert hub_cache.damage(folder) == ""
    assert hub_cache.download(hub.handle()) == folder
    assert hub.requests == [("/model/1?tf-hub-format=compressed", None)]
    assert leftovers(cache) == []


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("declares_length", [True, False])
def test_a_transfer_that_breaks_off_leaves_nothing(hub: Hub, cache: Path, share: float, declares_length: bool) -> None:
    hub.sent_bytes, hub.declares_length = int(len(hub.body) * share), declares_length
    with pytest.raises(DetectorUnavailable, match=r"cannot download http://127.*saved_model\.pb exists$"):
        hub_cache.download(hub.handle())
    assert not hub_cache.entry(hub.handle()).exists()
    assert leftovers(cache) == []
    hub.sent_bytes = None
    assert hub_cache.is_whole(hub_cache.download(hub.handle()))


def test_killed_in_the_middle_the_next_start_fetches_it(hub: Hub, cache: Path) -> None:
    hub.sent_bytes, hub.stalls = len(hub.body) // 2, True
    code = f"from streamer.detectors import hub_cache; hub_cache.download({hub.handle()!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    assert hub.stalled.wait(30.0)
    process.kill()
    process.wait()
    assert not hub_cache.entry(hub.handle()).exists()
    assert len(leftovers(cache)) == 1
    hub.sent_bytes, hub.stalls = None, False
    assert hub_cache.is_whole(hub_cache.download(hub.handle()))
    assert leftovers(cache) == []


def test_two_at_once_fetch_it_once(hub: Hub) -> None:
    threads = [threading.Thread(target=hub_cache.download, args=(hub.handle(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hub_cache.is_whole(hub_cache.entry(hub.handle()))
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: (folder / "saved_model.pb").write_bytes(b"graph"), "saved_model.pb has 5 bytes, expected 5000"),
        (lambda folder: (folder / "saved_model.pb").write_bytes(b"GRAPH" * 1000), "saved_model.pb has changed"),
        (lambda folder: (folder / "variables" / "variables.index").unlink(), "variables/variables.index is missing"),
        (lambda folder: (folder / hub_cache.MANIFEST).write_text('{"files'), "cannot be read"),
        (lambda folder: (folder / hub_cache.MANIFEST).write_text('{"files": 3}'), "cannot be read"),
    ],
)
def test_a_damaged_entry_is_noticed_and_fetched_again(hub: Hub, harm: object, words: str) -> None:
    folder = hub_cache.download(hub.handle())
    assert callable(harm)
    harm(folder)
    assert words in hub_cache.damage(folder)
    assert hub_cache.download(hub.handle()) == folder
    assert hub_cache.damage(folder) == ""
    assert len(hub.requests) == 2


def test_an_entry_put_there_by_hand_is_taken_as_it_is(hub: Hub) -> None:
    folder = hub_cache.entry(hub.handle())
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"mine")
    assert hub_cache.download(hub.handle()) == folder
    assert hub.requests == []
    hub_cache.write_manifest(folder)
    assert json.loads((folder / hub_cache.MANIFEST).read_text())["files"]["saved_model.pb"]["bytes"] == 4
    hub_cache.download(hub.handle(), again=True)
    assert (folder / "saved_model.pb").read_bytes() != b"mine"


def test_offline_it_says_which_folder_to_fill(hub: Hub) -> None:
    handle = hub.handle().replace(str(hub.port), "9")  # the discard port: nobody listens
    with pytest.raises(DetectorUnavailable) as caught:
        hub_cache.download(handle)
    assert str(hub_cache.entry(handle) / "saved_model.pb") in caught.value.hint
    assert "refused" in caught.value.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>moved</html>", "gzip"),
        (b"", "cannot download"),
        ("empty", "expected one saved_model.pb in the archive, found 0"),
    ],
)
def test_what_is_no_model_is_refused(hub: Hub, tmp_path: Path, body: bytes | str, words: str) -> None:
    (tmp_path / "nothing").mkdir()
    hub.body = archive(tmp_path / "nothing") if isinstance(body, str) else body
    with pytest.raises(DetectorUnavailable, match=words):
        hub_cache.download(hub.handle())
    assert not hub_cache.entry(hub.handle()).exists()


def test_a_refusal_of_the_server_is_named(hub: Hub) -> None:
    hub.status = 404
    with pytest.raises(DetectorUnavailable, match="Not Found"):
        hub_cache.download(hub.handle())


def test_credentials_go_to_the_server_alone(hub: Hub) -> None:
    handle = hub.handle().replace("http://", "http://ada:s3cret@")
    hub_cache.download(handle)
    assert hub.requests[0][1] == "Basic YWRhOnMzY3JldA=="
    hub.status = 500
    with pytest.raises(DetectorUnavailable) as caught:
        hub_cache.download(handle, again=True)
    assert "s3cret" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_named(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(DetectorUnavailable, match=r"File exists|Not a directory"):
        hub_cache.download(hub.handle())


@pytest.mark.parametrize("handle", ["tensorflow/mask_rcnn/1", "gs://bucket/model", "ftp://host/model"])
def test_other_handles_are_refused(handle: str) -> None:
    with pytest.raises(ConfigError, match="is no https address"):
        hub_cache.download(handle)
