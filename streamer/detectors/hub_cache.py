"""Hub models on disk: where they lie, whether they are whole, and how they get there."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import json
import logging
import os
import shutil
import tarfile
import tempfile
import urllib.parse
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamer.detectors import hub_archive, hub_lock, hub_transfer, kaggle
from streamer.detectors.handles import KAGGLE, MASK_RCNN, is_kaggle
from streamer.detectors.hub_archive import MODEL_FILE
from streamer.detectors.hub_transfer import Progress
from streamer.errors import ConfigError, DetectorUnavailable
from streamer.redact import redact

log = logging.getLogger(__name__)

MANIFEST = "streamer-manifest.json"
"""Beside the model's own files: their sizes and sha256, written once it was complete."""
OTHER_SOURCES: Mapping[str, tuple[str, ...]] = {
    MASK_RCNN: ("kaggle:tensorflow/mask-rcnn-inception-resnet-v2/tensorFlow2/1024x1024/1",)
}
"""Where else the model of a handle is to be had, tried in order when its own address fails."""
_FAILURES = (OSError, EOFError, tarfile.TarError, zlib.error, http.client.HTTPException, ValueError)


def root() -> Path:
    """The persistent folder of all Hub models: ``TFHUB_CACHE_DIR``, else ``streamer/hub`` in the user's cache directory."""
    if chosen := os.environ.get("TFHUB_CACHE_DIR"):
        return Path(chosen).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).expanduser() / "streamer" / "hub"
    return Path.home() / ".cache" / "streamer" / "hub"


def entry(handle: str) -> Path:
    """The folder of one model: the sha1 of its handle, as TensorFlow Hub names it.

    Of the handle without a trailing slash, unless the model lies there under the handle with one: TensorFlow Hub tells the
    two apart.
    """
    bare = handle.rstrip("/")
    names = [hashlib.sha1(spelling.encode(), usedforsecurity=False).hexdigest() for spelling in (bare, bare + "/")]
    return next((root() / name for name in names if (root() / name / MODEL_FILE).is_file()), root() / names[0])


def is_whole(folder: Path, *, read: bool = False) -> bool:
    """Whether a model lies there and agrees with its manifest, where it has one: in sizes, with ``read`` in content."""
    return (folder / MODEL_FILE).is_file() and not damage(folder, read=read)


def damage(folder: Path, *, read: bool = True) -> str:
    """What is wrong with the model in ``folder`` by its manifest, in words; empty when it agrees or there is no manifest.

    With ``read`` the content of every file is compared, else sizes alone.
    """
    path = folder / MANIFEST
    if not path.exists():
        return ""
    try:
        files: dict[str, Any] = json.loads(path.read_text())["files"]
        for name, expected in files.items():
            file = folder / name
            if not file.is_file():
                return f"file {name} is missing"
            found = file.stat().st_size
            if found != expected["bytes"]:
                return f"file {name} has {found} bytes, expected {expected['bytes']}"
            if read and sha256(file) != expected["sha256"]:
                return f"file {name} has changed: its sha256 is not {expected['sha256']}"
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        return f"{MANIFEST} cannot be read: {error}"
    return ""


def write_manifest(folder: Path, handle: str) -> Mapping[str, str]:
    """Say that what lies in ``folder`` now is the complete model of ``handle``; the sha256 of each file by its path."""
    files = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    partial = folder / (MANIFEST + ".part")
    partial.write_text(json.dumps({"handle": _public(handle), "files": files}, indent=1))
    partial.replace(folder / MANIFEST)
    return {name: str(entry["sha256"]) for name, entry in files.items()}


def cached() -> Mapping[Path, str]:
    """The folders of the models in the cache, whole or damaged, and their handles; empty for one whose handle is not known."""
    folders = sorted(path for path in root().glob("*") if (path / MODEL_FILE).is_file() or (path / MANIFEST).is_file())
    known = {entry(handle): handle for handle in (MASK_RCNN, *hub_lock.handles(lock_file()))}
    return {folder: _noted_handle(folder) or known.get(folder, "") for folder in folders}


def changed(folder: Path, handle: str) -> str:
    """How the model in ``folder`` differs from what the lock file says of its handle, by its manifest; empty when it agrees."""
    files: dict[str, Any] = json.loads((folder / MANIFEST).read_text())["files"]
    contents = hub_lock.Contents(files={name: str(file["sha256"]) for name, file in files.items()})
    return hub_lock.difference(lock_file(), _public(handle), contents)


def remove(folder: Path) -> None:
    """Take one model, and what has come of its next download, out of the cache. Raises ``OSError``."""
    with locked(folder):
        hub_transfer.discard(archive_of(folder))
        if folder.exists():
            with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent) as part:
                folder.rename(Path(part) / "removed")


def _noted_handle(folder: Path) -> str:
    try:
        noted = json.loads((folder / MANIFEST).read_text())["handle"]
    except (OSError, ValueError, KeyError, TypeError):  # put there by another program, by an earlier version, or damaged
        return ""
    return noted if isinstance(noted, str) else ""


def size_bytes(folder: Path) -> int:
    """What the model takes on disk."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def check_handle(handle: str) -> None:
    """Raise ``ConfigError`` for a handle that no model can have."""
    if is_kaggle(handle):
        kaggle.check_handle(handle)
    elif urllib.parse.urlsplit(handle).scheme not in ("http", "https"):
        raise ConfigError(
            f"the Hub handle {redact(handle)} is no https address",
            hint="give one such as https://tfhub.dev/publisher/model/1, or the path of a SavedModel folder",
        )


def download(
    handle: str,
    progress: Progress | None = None,
    *,
    again: bool = False,
    read: bool = True,
    accept_changed: bool = False,
) -> Path:
    """Fetch the model into its folder in the cache, unless a whole one is there, and return that folder.

    The folder appears at once and complete: an interrupted download leaves nothing that could be taken for a model, and the
    next one goes on where it ended. A second process waits for the first. A cache that may only be read serves what it holds.
    ``again`` replaces what is there; without ``read`` only the sizes of what is there are compared; ``accept_changed`` takes
    what differs from the lock file, and notes it there. Raises ``DetectorUnavailable`` when the model cannot be had, saying how
    to put it there by hand, and ``ConfigError`` when the handle is neither an http(s) address nor one of Kaggle.
    """
    handle = handle.rstrip("/")
    check_handle(handle)
    folder = entry(handle)
    wrong = "" if again else damage(folder, read=read)
    if not again and not wrong and (folder / MODEL_FILE).is_file():
        return folder
    if wrong:
        log.warning("the model in %s is damaged (%s); fetching it again", folder, wrong)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            # Another process may have fetched it while this one waited for the lock.
            if again or not is_whole(folder, read=read):
                _from_first_source(folder, handle, progress, accept_changed=accept_changed)
    except (OSError, DetectorUnavailable) as error:
        because, hint = (
            (error.message, error.hint) if isinstance(error, DetectorUnavailable) else (hub_transfer.reason(error), "")
        )
        what = (
            f"the model in {folder} is damaged ({wrong}) and cannot be fetched" if wrong else f"cannot download {_name(handle)}"
        )
        raise DetectorUnavailable(f"{what}: {because}", hint=hint or by_hand(handle)) from error
    return folder


def by_hand(handle: str) -> str:
    """How to put the model into the cache without this program, on one line."""
    return (
        f"try again with a connection, or put it there by hand: get the model's .tar.gz from {redact(_page(handle))} on "
        f"another machine and unpack it so that {entry(handle) / MODEL_FILE} exists"
    )


def lock_file() -> Path:
    """Where it is noted which files each handle gave when it was fetched first."""
    return hub_lock.path(root())


def archive_of(folder: Path) -> Path:
    """Where the archive of the model for ``folder`` lies while it is fetched."""
    return folder.with_name(folder.name + ".tar.gz.part")


def _from_first_source(folder: Path, handle: str, progress: Progress | None, *, accept_changed: bool) -> None:
    """Fetch the model from the first of its sources that has it. Raises ``DetectorUnavailable`` when none has."""
    sources = (handle, *OTHER_SOURCES.get(handle, ()))
    level = logging.WARNING if len(sources) > 1 else logging.INFO
    if not folder.exists():
        log.log(level, "%s is not in the cache, %s", _name(handle), root())
    failures: list[DetectorUnavailable] = []
    for source in sources:
        log.log(level, "fetching it from %s", redact(source))
        try:
            _replace(folder, handle, source, progress, accept_changed=accept_changed)
        except DetectorUnavailable as error:
            failures.append(error)
        except _FAILURES as error:
            full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            room = f"make room in {folder.parent}, or name a folder on a larger disk by TFHUB_CACHE_DIR" if full else ""
            failures.append(DetectorUnavailable(hub_transfer.reason(error), hint=room))
        else:
            return
        if len(sources) > 1:
            log.warning("%s: %s", redact(source), failures[-1])
    rest = hub_transfer.kept(archive_of(folder))
    kept = f" ({rest} are kept, the next try goes on after them)" if rest else ""
    if len(failures) == 1:
        raise DetectorUnavailable(failures[0].message + kept, hint=failures[0].hint)
    told = "; ".join(f"{redact(source)}: {failure}" for source, failure in zip(sources, failures, strict=True))
    raise DetectorUnavailable(told + kept)


def _replace(folder: Path, handle: str, source: str, progress: Progress | None, *, accept_changed: bool) -> None:
    """Put a new model in the place of ``folder``; until it is complete, what lies there stays as it is."""
    for left in folder.parent.glob(f"{folder.name}.*.part"):
        if left.is_dir():
            shutil.rmtree(left)
    archive = archive_of(folder)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent) as part:
        archive_sha256 = ""
        if is_kaggle(source):
            model = kaggle.fetch(source, Path(part) / "unpacked")
        else:
            hub_transfer.fetch(source, archive, progress)
            archive_sha256 = sha256(archive)
            try:
                model = hub_archive.unpack(archive, Path(part) / "unpacked")
            except OSError as error:
                if error.errno != errno.ENOSPC:  # else it is whole, and there may be room the next time
                    hub_transfer.discard(archive)
                raise
            except _FAILURES:
                hub_transfer.discard(archive)
                raise
        found = hub_lock.Contents(files=write_manifest(model, handle), archive_sha256=archive_sha256)
        _compare_with_lock(handle, source, found, archive, accept_changed=accept_changed)
        if folder.exists():
            folder.rename(Path(part) / "replaced")
        model.rename(folder)
    hub_transfer.discard(archive)


def _compare_with_lock(handle: str, source: str, found: hub_lock.Contents, archive: Path, *, accept_changed: bool) -> None:
    """Raise ``DetectorUnavailable`` for another model than the handle gave first; note it where that was none yet."""
    lock, name = lock_file(), _public(handle)
    changed = "" if accept_changed else hub_lock.difference(lock, name, found)
    if changed:
        hub_transfer.discard(archive)
        raise DetectorUnavailable(
            f"{redact(source)} gives another model than it gave first: {changed} (noted in {lock})",
            hint=f"if the publisher has replaced it and you trust the new one: streamer models download {spec_of(handle)} "
            "--accept-changed; else ask the publisher",
        )
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with locked(lock):
            hub_lock.write(lock, name, found, replace=accept_changed)
    except OSError as error:
        log.warning("the lock file of models %s cannot be written: %s", lock, hub_transfer.reason(error))


def _public(handle: str) -> str:
    """The handle without user and password."""
    if is_kaggle(handle):
        return handle
    parts = urllib.parse.urlsplit(handle)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _page(handle: str) -> str:
    """The address of the model for people."""
    return f"https://www.kaggle.com/models/{handle.removeprefix(KAGGLE)}" if is_kaggle(handle) else handle


def _name(handle: str) -> str:
    return "mask-rcnn" if handle == MASK_RCNN else redact(handle)


def spec_of(handle: str) -> str:
    """What the commands call the model of this handle."""
    return _name(handle) if handle == MASK_RCNN or is_kaggle(handle) else f"hub:{redact(handle)}"


def sha256(path: Path) -> str:
    """Of the content of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of one cache entry; the system lets go of it even when the process is killed. Raises ``OSError``."""
    with folder.with_name(folder.name + ".streamer-lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("waiting for another process that has %s in hand", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
