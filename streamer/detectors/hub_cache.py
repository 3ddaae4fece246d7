"""Hub models on disk: where they lie, whether they are whole, and how they get there."""

from __future__ import annotations

import base64
import fcntl
import gzip
import hashlib
import http.client
import json
import logging
import os
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from streamer.errors import ConfigError, DetectorUnavailable
from streamer.redact import redact

log = logging.getLogger(__name__)

MANIFEST = "streamer-manifest.json"
"""Beside the model's own files: their sizes and sha256, written once it was complete."""
MODEL_FILE = "saved_model.pb"
CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30.0
"""How long a server may be silent."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes that have come and the bytes that will, where the server says so."""


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
                return f"{name} is missing"
            found = file.stat().st_size
            if found != expected["bytes"]:
                return f"{name} has {found} bytes, expected {expected['bytes']}"
            if read and _sha256(file) != expected["sha256"]:
                return f"{name} has changed: its sha256 is not {expected['sha256']}"
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        return f"{MANIFEST} cannot be read: {error}"
    return ""


def write_manifest(folder: Path) -> None:
    """Say that what lies in ``folder`` now is complete."""
    files = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    partial = folder / (MANIFEST + ".part")
    partial.write_text(json.dumps({"files": files}, indent=1))
    partial.replace(folder / MANIFEST)


def size_bytes(folder: Path) -> int:
    """What the model takes on disk."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def download(handle: str, progress: Progress | None = None, *, again: bool = False, read: bool = True) -> Path:
    """Fetch the model into its folder in the cache, unless a whole one is there, and return that folder.

    The folder appears at once and complete: an interrupted download leaves nothing that could be taken for a model. A
    second process waits for the first. A cache that may only be read serves what it holds. ``again`` replaces what is
    there; without ``read`` only the sizes of what is there are compared. Raises ``DetectorUnavailable`` when the model
    cannot be had, saying how to put it there by hand, and ``ConfigError`` when the handle is no http(s) address.
    """
    handle = handle.rstrip("/")
    if urllib.parse.urlsplit(handle).scheme not in ("http", "https"):
        raise ConfigError(
            f"the Hub handle {redact(handle)} is no https address",
            hint="give one such as https://tfhub.dev/publisher/model/1, or the path of a SavedModel folder",
        )
    folder = entry(handle)
    if not again and is_whole(folder, read=read):
        return folder
    wrong = damage(folder)
    if wrong:
        log.warning("the model in %s is damaged: %s; fetching it again", folder, wrong)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            # Another process may have fetched it while this one waited for the lock.
            if again or not is_whole(folder, read=read):
                _replace(folder, handle, progress)
    except (OSError, EOFError, tarfile.TarError, zlib.error, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        because = f"; what is in the cache is damaged: {wrong}" if wrong else ""
        raise DetectorUnavailable(
            f"cannot download {redact(handle)}: {redact(_reason(error))}{because}", hint=by_hand(handle)
        ) from error
    return folder


def by_hand(handle: str) -> str:
    """How to put the model into the cache without this program, on one line."""
    return (
        f"try again with a connection, or put it there by hand: get the model's .tar.gz from {redact(handle)} on another "
        f"machine and unpack it so that {entry(handle) / MODEL_FILE} exists"
    )


def _replace(folder: Path, handle: str, progress: Progress | None) -> None:
    """Put a new model in the place of ``folder``; until it is complete, what lies there stays as it is."""
    for left in folder.parent.glob(f"{folder.name}.*.part"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent) as part:
        model = _fetch(handle, Path(part), progress)
        write_manifest(model)
        if folder.exists():
            folder.rename(Path(part) / "replaced")
        model.rename(folder)


def _reason(error: Exception) -> str:
    """Why it failed, in a few words; of an error of the disk with the path."""
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    return str(error) or type(error).__name__


def _fetch(handle: str, part: Path, progress: Progress | None) -> Path:
    """Download the archive into ``part``, unpack it there, and return the folder of the model in it."""
    archive, unpacked = part / "archive.tar.gz", part / "unpacked"
    with urllib.request.urlopen(_request(handle), timeout=TIMEOUT_S) as response, archive.open("wb") as file:
        total = int(length) if (length := response.headers.get("Content-Length")) else None
        received = _copy(response, file, total, progress)
    if total is not None and received != total:
        raise EOFError(f"the transfer broke off after {received} of {total} bytes")
    with gzip.open(archive) as raw:
        with tarfile.open(fileobj=raw, mode="r:") as tar:
            for member in tar:
                _unpack(tar, member, unpacked)
        # The checksum stands behind the last byte: it is compared only when everything is read.
        while raw.read(CHUNK_BYTES):
            pass
    models = [path.parent for path in unpacked.rglob(MODEL_FILE)]
    if len(models) != 1:
        raise ValueError(f"expected one {MODEL_FILE} in the archive, found {len(models)}")
    return models[0]


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    """Write one member below ``into``: a file or a folder, nothing else, and nothing outside.

    By hand, since tarfile's own filters are missing in Python 3.11 before 3.11.4, and follow links in some later ones.
    """
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"the archive holds {member.name!r}, which lies outside of it")
    if member.isdir():
        (into / path).mkdir(parents=True, exist_ok=True)
        return
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        raise ValueError(f"the archive holds {member.name!r}, which is neither a file nor a folder")
    (into / path).parent.mkdir(parents=True, exist_ok=True)
    with content, (into / path).open("xb") as file:
        shutil.copyfileobj(content, file, CHUNK_BYTES)


def _request(handle: str) -> urllib.request.Request:
    """Ask for the archive as TensorFlow Hub's servers have it; credentials go into a header, and to this host only."""
    address = urllib.parse.urlsplit(handle)
    query = urllib.parse.urlencode([*urllib.parse.parse_qsl(address.query), ("tf-hub-format", "compressed")])
    userinfo, _, host = address.netloc.rpartition("@")
    request = urllib.request.Request(urllib.parse.urlunsplit(address._replace(netloc=host, query=query)))
    if userinfo:
        basic = base64.b64encode(urllib.parse.unquote(userinfo).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {basic}")
    return request


def _copy(response: Any, file: BinaryIO, total: int | None, progress: Progress | None) -> int:
    received = 0
    while chunk := response.read(CHUNK_BYTES):
        file.write(chunk)
        received += len(chunk)
        if progress is not None:
            progress(received, total)
    return received


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of one cache entry; the system lets go of it even when the process is killed."""
    with folder.with_name(folder.name + ".streamer-lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
