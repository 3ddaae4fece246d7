"""Transfers of an archive over real HTTP on the loopback interface: broken off, continued, changed, damaged, refused."""

from __future__ import annotations

import errno
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from streamer.detectors import hub_cache, hub_transfer
from streamer.errors import DetectorUnavailable
from tests.detectors.hub_server import Hub, archive, archive_of, serving


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub_transfer, "WAITS_S", (0.0, 0.0))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    source = tmp_path / "source"
    (source / "variables").mkdir(parents=True)
    (source / "saved_model.pb").write_bytes(bytes(range(256)) * 10)
    (source / "variables" / "variables.index").write_bytes(b"index" * 100)
    with serving(archive(source)) as running:
        running.knows_ranges, running.etag, running.modified = True, '"first"', "Mon, 01 Jan 2024 00:00:00 GMT"
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def broken_off(hub: Hub, file: Path) -> int:
    """Leave behind what a process does that ended in the middle; how many bytes that are."""
    half = len(hub.body) // 2
    hub.sent_bytes, hub.knows_ranges = half, False
    with pytest.raises(hub_transfer.BrokenOffError):
        hub_transfer.fetch(hub.handle(), file)
    hub.sent_bytes, hub.knows_ranges = None, True
    hub.ranges.clear()
    return half


def test_a_broken_transfer_goes_on_where_it_ended(hub: Hub, file: Path) -> None:
    half = broken_off(hub, file)
    assert file.stat().st_size == half
    assert hub_transfer.kept(file) == "0.0 of 0.0 MB"
    seen: list[tuple[int, int | None]] = []
    hub_transfer.fetch(hub.handle(), file, lambda done, total: seen.append((done, total)))
    assert file.read_bytes() == hub.body
    assert hub.ranges == [f"bytes={half}-"]
    assert seen == [(len(hub.body), len(hub.body))]


@pytest.mark.parametrize("part", [3, 50])
def test_a_server_that_cuts_again_and_again_delivers_in_the_end(hub: Hub, file: Path, part: int) -> None:
    hub.sent_bytes = max(1, len(hub.body) // part)
    hub_transfer.fetch(hub.handle(), file)
    assert file.read_bytes() == hub.body
    assert len(hub.requests) >= part


def test_a_server_that_cuts_and_knows_no_ranges_is_given_up(hub: Hub, file: Path) -> None:
    hub.knows_ranges, hub.sent_bytes = False, 100
    with pytest.raises(hub_transfer.BrokenOffError, match=rf"broke off after 100 of {len(hub.body)} bytes"):
        hub_transfer.fetch(hub.handle(), file)
    assert len(hub.requests) == 1 + len(hub_transfer.WAITS_S) + 1


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(hub: Hub, file: Path) -> None:
    broken_off(hub, file)
    hub.knows_ranges = False
    hub_transfer.fetch(hub.handle(), file)
    assert file.read_bytes() == hub.body
    assert len(hub.ranges) == 1


class Changed(NamedTuple):
    etag: str
    modified: str
    knows_if_range: bool


@pytest.mark.parametrize(
    "changed",
    [
        Changed('"second"', "Mon, 01 Jan 2024 00:00:00 GMT", True),
        Changed('"second"', "Mon, 01 Jan 2024 00:00:00 GMT", False),
        Changed("", "Tue, 02 Jan 2024 00:00:00 GMT", True),
        Changed("", "Tue, 02 Jan 2024 00:00:00 GMT", False),
    ],
)
def test_what_has_changed_meanwhile_is_fetched_from_the_start(hub: Hub, file: Path, changed: Changed) -> None:
    if not changed.etag:
        hub.etag = ""
    broken_off(hub, file)
    hub.etag, hub.modified, hub.knows_if_range = changed
    hub.body = archive_of(tarfile.TarInfo("another"))[::-1] * 20  # only its bytes matter here
    hub_transfer.fetch(hub.handle(), file)
    assert file.read_bytes() == hub.body


@pytest.mark.parametrize("weak", [True, False])
def test_without_a_name_for_the_version_nothing_is_continued(hub: Hub, file: Path, weak: bool) -> None:
    hub.modified, hub.etag = "", 'W/"first"' if weak else ""
    broken_off(hub, file)
    assert hub_transfer.kept(file) == ""
    hub_transfer.fetch(hub.handle(), file)
    assert hub.ranges == [None]
    assert file.read_bytes() == hub.body


def test_a_length_that_has_changed_begins_anew(hub: Hub, file: Path) -> None:
    half = broken_off(hub, file)
    hub.range_total = len(hub.body) + 7
    hub_transfer.fetch(hub.handle(), file)
    assert hub.ranges == [f"bytes={half}-", None]
    assert file.read_bytes() == hub.body


def test_a_range_that_is_refused_begins_anew(hub: Hub, file: Path) -> None:
    half = broken_off(hub, file)
    hub.refuses_ranges = True
    hub_transfer.fetch(hub.handle(), file)
    assert hub.ranges == [f"bytes={half}-", None]
    assert file.read_bytes() == hub.body


def test_what_is_there_already_is_not_fetched_again(hub: Hub, file: Path) -> None:
    """A process that ended between the last byte and the check."""
    hub_transfer.fetch(hub.handle(), file)
    hub.ranges.clear()
    hub_transfer.fetch(hub.handle(), file)
    assert hub.ranges == [f"bytes={len(hub.body)}-"]
    assert file.read_bytes() == hub.body


@pytest.mark.parametrize("notes", ["", "{", "[1]", '{"etag": "x", "color": 3}'])
def test_notes_that_cannot_be_read_begin_anew(hub: Hub, file: Path, notes: str) -> None:
    broken_off(hub, file)
    file.with_name(file.name + ".json").write_text(notes)
    hub_transfer.fetch(hub.handle(), file)
    assert hub.ranges == [None]
    assert file.read_bytes() == hub.body


def test_the_servers_md5_is_compared(hub: Hub, file: Path) -> None:
    hub.declares_md5 = True
    hub_transfer.fetch(hub.handle(), file)
    assert len(json.loads(file.with_name(file.name + ".json").read_text())["md5"]) == 32
    hub_transfer.discard(file)
    hub.md5_of = b"something else"
    with pytest.raises(ValueError, match="it arrived damaged: its md5 is"):
        hub_transfer.fetch(hub.handle(), file)
    assert not file.exists()


def test_the_md5_holds_for_what_came_in_parts(hub: Hub, file: Path) -> None:
    hub.declares_md5 = True
    half = broken_off(hub, file)
    damaged = bytearray(file.read_bytes())
    damaged[half // 2] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(ValueError, match="it arrived damaged"):
        hub_transfer.fetch(hub.handle(), file)
    hub_transfer.fetch(hub.handle(), file)
    assert file.read_bytes() == hub.body


def failure(hub: Hub) -> DetectorUnavailable:
    """How a download of the whole model fails: one line with the next step, and nothing in the cache."""
    with pytest.raises(DetectorUnavailable) as caught:
        hub_cache.download(hub.handle())
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert not hub_cache.entry(hub.handle()).exists()
    return caught.value


def test_a_redirect_is_followed_with_its_range(hub: Hub, file: Path) -> None:
    half = broken_off(hub, file)
    with serving(b"") as front:
        front.status, front.location = 302, hub.handle("elsewhere")
        hub_transfer.fetch(front.handle(), file)
    assert hub.ranges == [f"bytes={half}-"]
    assert file.read_bytes() == hub.body


def test_a_redirect_in_a_circle_is_named(hub: Hub) -> None:
    hub.status, hub.location = 302, "/model/1?tf-hub-format=compressed"
    assert "the server redirects in a circle" in failure(hub).message


@pytest.mark.parametrize(("status", "words"), [(403, "HTTP 403 Forbidden"), (404, "HTTP 404 Not Found"), (503, "HTTP 503")])
def test_a_refusal_is_named_and_not_repeated(hub: Hub, status: int, words: str) -> None:
    hub.status = status
    error = failure(hub)
    assert words in error.message
    assert "put it there by hand" in error.hint
    assert len(hub.requests) == 1


def test_a_web_page_is_not_stored(hub: Hub) -> None:
    hub.body, hub.content_type = b"<!doctype html><title>Sign in</title>", "text/html; charset=utf-8"
    assert "the server sent a web page (text/html), not an archive" in failure(hub).message


def test_a_web_page_under_another_name_is_recognised(hub: Hub) -> None:
    hub.body = b"<!doctype html><title>Sign in</title>"
    assert "it is no gzip archive: it begins with b'<!doctype html>" in failure(hub).message


def test_an_archive_that_ends_early_is_refused_and_fetched_anew(hub: Hub) -> None:
    whole, hub.body = hub.body, hub.body[:-50]
    failure(hub)
    hub.body = whole
    hub_cache.download(hub.handle())
    assert hub.ranges == [None, None]


def test_a_disk_without_room_is_said_before_the_transfer(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10))
    error = failure(hub)
    assert "MB are free" in error.message
    assert error.hint == f"make room in {hub_cache.root()}, or name a folder on a larger disk by TFHUB_CACHE_DIR"


def test_a_disk_that_fills_up_keeps_the_archive_for_the_next_time(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_source: object, _target: object, _length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        error = failure(hub)
    assert "No space left on device" in error.message
    assert "make room in" in error.hint
    hub_cache.download(hub.handle())
    assert hub.ranges == [None, f"bytes={len(hub.body)}-"]


def test_a_download_goes_on_in_the_next_process(hub: Hub) -> None:
    hub.sent_bytes, hub.knows_ranges = len(hub.body) // 2, False
    error = failure(hub)
    assert "are kept, the next try goes on after them)" in error.message
    hub.sent_bytes, hub.knows_ranges = None, True
    hub.ranges.clear()
    folder = hub_cache.download(hub.handle())
    assert hub.ranges == [f"bytes={len(hub.body) // 2}-"]
    assert hub_cache.damage(folder) == ""
    assert not hub_cache.archive_of(folder).exists()
