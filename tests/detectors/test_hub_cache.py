"""The cache of Hub models: whole or not there, through broken transfers, kills and damage."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamer.detectors import hub_cache, hub_transfer
from streamer.errors import ConfigError, DetectorUnavailable
from tests.detectors.hub_server import Hub, archive, archive_of, serving


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(hub_transfer, "WAITS_S", (0.0, 0.0))
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
    """Folders that a download was working in."""
    return [path.name for path in cache.glob("*.part") if path.is_dir()]


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


def test_killed_in_the_middle_the_next_start_goes_on(hub: Hub, cache: Path) -> None:
    half = len(hub.body) // 2
    hub.sent_bytes, hub.stalls, hub.knows_ranges, hub.etag = half, True, True, '"1"'
    code = f"""
from streamer.detectors import hub_cache
hub_cache.download({hub.handle()!r}, lambda done, total: print(done, flush=True))
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as told:
        assert any(int(line) == half for line in told)
        process.kill()
        process.wait()
    assert not hub_cache.entry(hub.handle()).exists()
    assert len(leftovers(cache)) == 1
    hub.sent_bytes, hub.stalls = None, False
    assert hub_cache.is_whole(hub_cache.download(hub.handle()))
    assert hub.ranges == [None, f"bytes={half}-"]
    assert leftovers(cache) == []


def test_two_processes_at_once_fetch_it_once(hub: Hub) -> None:
    hub.sent_bytes, hub.stalls = len(hub.body) // 2, True
    code = f"from streamer.detectors import hub_cache; print(hub_cache.download({hub.handle()!r}))"
    first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert hub.stalled.wait(30.0)
    second = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert second.stderr is not None
    assert second.stderr.readline() == f"waiting for another process that has {hub_cache.entry(hub.handle())} in hand\n"
    hub.released.set()
    said = [process.communicate(timeout=30)[0].strip() for process in (first, second)]
    assert said == [str(hub_cache.entry(hub.handle()))] * 2
    assert hub_cache.damage(hub_cache.entry(hub.handle())) == ""
    assert len(hub.requests) == 1


def test_two_threads_at_once_fetch_it_once(hub: Hub) -> None:
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
def test_a_damaged_entry_is_named_and_fetched_again(
    hub: Hub, harm: Callable[[Path], object], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = hub_cache.download(hub.handle())
    harm(folder)
    assert words in hub_cache.damage(folder)
    hub.status = 503
    with pytest.raises(
        DetectorUnavailable, match=rf"the model in .* is damaged \(.*{words}.*\) and cannot be fetched: .*Unavailable"
    ):
        hub_cache.download(hub.handle())
    hub.status = 200
    caplog.clear()
    assert hub_cache.download(hub.handle()) == folder
    assert f"the model in {folder} is damaged (" in caplog.text
    assert words in caplog.text
    assert hub_cache.damage(folder) == ""
    assert len(hub.requests) == 3


def test_where_only_sizes_are_compared_a_cut_file_is_noticed(hub: Hub) -> None:
    model = hub_cache.download(hub.handle()) / "saved_model.pb"
    model.write_bytes(b"GRAPH" * 1000)
    hub_cache.download(hub.handle(), read=False)
    assert len(hub.requests) == 1
    model.write_bytes(b"graph")
    hub_cache.download(hub.handle(), read=False)
    assert len(hub.requests) == 2


def test_a_cache_that_may_only_be_read_serves_what_it_holds(hub: Hub, cache: Path) -> None:
    folder = hub_cache.download(hub.handle())
    cache.chmod(0o555)
    # Without root's right to write anywhere.
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    command += [
        sys.executable,
        "-c",
        "import sys; from streamer.detectors import hub_cache; print(hub_cache.download(sys.argv[1]))",
    ]
    try:
        served = subprocess.run([*command, hub.handle()], capture_output=True, text=True, check=False)
        refused = subprocess.run([*command, hub.handle("other")], capture_output=True, text=True, check=False)
    finally:
        cache.chmod(0o755)
    assert served.stdout.strip() == str(folder)
    assert f"cannot download {hub.handle('other')}: Permission denied: {cache}" in refused.stderr
    assert len(hub.requests) == 1


def test_a_model_under_its_handle_with_a_slash_is_found(hub: Hub, cache: Path) -> None:
    """TensorFlow Hub names the folder by the handle as it was written."""
    folder = cache / hashlib.sha1((hub.handle() + "/").encode()).hexdigest()
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"mine")
    assert hub_cache.download(hub.handle()) == hub_cache.download(hub.handle() + "/") == folder
    assert hub.requests == []


def test_an_entry_put_there_by_hand_is_taken_as_it_is(hub: Hub) -> None:
    folder = hub_cache.entry(hub.handle())
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"mine")
    assert hub_cache.download(hub.handle()) == folder
    assert hub.requests == []
    hub_cache.write_manifest(folder, hub.handle())
    assert json.loads((folder / hub_cache.MANIFEST).read_text())["files"]["saved_model.pb"]["bytes"] == 4
    hub_cache.download(hub.handle(), again=True)
    assert (folder / "saved_model.pb").read_bytes() != b"mine"


def test_offline_it_says_which_folder_to_fill(hub: Hub) -> None:
    handle = hub.handle().replace(str(hub.port), "9")  # the discard port: nobody listens
    with pytest.raises(DetectorUnavailable) as caught:
        hub_cache.download(handle)
    assert str(hub_cache.entry(handle) / "saved_model.pb") in caught.value.hint
    assert "refused" in caught.value.message


def odd(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (odd("../escaped"), "'../escaped', which lies outside"),
        (odd("variables/../../escaped"), "which lies outside"),
        (odd("/escaped"), "'/escaped', which lies outside"),
        (odd("link", tarfile.SYMTYPE, "../.."), "'link', which is neither a file nor a folder"),
        (odd("link", tarfile.SYMTYPE, "saved_model.pb"), "neither a file nor a folder"),
        (odd("link", tarfile.LNKTYPE, "saved_model.pb"), "neither a file nor a folder"),
        (odd("pipe", tarfile.FIFOTYPE), "neither a file nor a folder"),
        (odd("device", tarfile.CHRTYPE), "neither a file nor a folder"),
        (odd("saved_model.pb"), "File exists"),
        (odd("saved_model.pb/part"), r"Not a directory|File exists"),
    ],
)
def test_an_archive_with_an_odd_member_is_refused(hub: Hub, cache: Path, member: tarfile.TarInfo, words: str) -> None:
    hub.body = archive_of(member)
    with pytest.raises(DetectorUnavailable, match=words):
        hub_cache.download(hub.handle())
    assert [path.name for path in cache.iterdir() if path.suffix != ".streamer-lock"] == []
    assert not list(cache.parent.rglob("escaped"))


@pytest.mark.parametrize("at", [-8, -5, -1])
def test_an_archive_with_a_wrong_checksum_is_refused(hub: Hub, at: int) -> None:
    flipped = bytearray(hub.body)
    flipped[at] ^= 1
    hub.body = bytes(flipped)
    with pytest.raises(DetectorUnavailable, match=r"CRC check failed|Incorrect length"):
        hub_cache.download(hub.handle())
    assert not hub_cache.entry(hub.handle()).exists()


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
