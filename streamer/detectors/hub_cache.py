"""Hub models on disk: where they lie, whether they are whole, and how they get there."""

from __future__ import annotations

import base64
import fcntl
import gzip
import hashlib
import http.client
import json
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
from pathlib import Path
from typing import Any, BinaryIO

from streamer.errors import ConfigError, DetectorUnavailable
from streamer.redact import redact

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
    """The folder of one model: the sha1 of its handle without a trailing slash, as TensorFlow Hub names it."""
    return root() / hashlib.sha1(handle.rstrip("/").encode(), usedforsecurity=False).hexdigest()


def is_whole(folder: Path) -> bool:
    """Whether a model lies there and, where it has a manifest, all files have the sizes written there. Reads no model."""
    return (folder / MODEL_FILE).is_file() and not damage(folder, read=False)


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


def download(handle: str, progress: Progress | None = None, *, again: bool = False) -> Path:
    """Fetch the model into its folder in the cache, unless a whole one is there, and return that folder.

    The folder appears at once and complete: an interrupted download leaves nothing that could be taken for a model. A
    second process waits for the first. ``again`` replaces what is there. Raises ``DetectorUnavailable`` when it cannot be
    had, saying how to put it there by hand, and ``ConfigError`` when the handle is no http(s) address.
    """
    handle = handle.rstrip("/")
    if urllib.parse.urlsplit(handle).scheme not in ("http", "https"):
        raise ConfigError(
            f"the Hub handle {redact(handle)} is no https address",
            hint="give one such as https://tfhub.dev/publisher/model/1, or the path of a SavedModel folder",
        )
    folder = entry(handle)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            if not again and is_whole(folder) and not damage(folder):
                return folder
            for left in folder.parent.glob(f"{folder.name}.*.part"):
                shutil.rmtree(left)
            with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent) as part:
                model = _fetch(handle, Path(part), progress)
                write_manifest(model)
                if folder.exists():
                    shutil.rmtree(folder)
                model.rename(folder)
    except (OSError, EOFError, tarfile.TarError, zlib.error, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error or type(error).__name__
        raise DetectorUnavailable(f"cannot download {redact(handle)}: {redact(str(reason))}", hint=by_hand(handle)) from error
    return folder


def by_hand(handle: str) -> str:
    """How to put the model into the cache without this program, on one line."""
    return (
        f"try again with a connection, or put it there by hand: get the model's .tar.gz from {redact(handle)} on another "
        f"machine and unpack it so that {entry(handle) / MODEL_FILE} exists"
    )


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
            tar.extractall(unpacked, filter="data")
        # The checksum stands behind the last byte: only who reads to the end has it compared.
        while raw.read(CHUNK_BYTES):
            pass
    models = [path.parent for path in unpacked.rglob(MODEL_FILE)]
    if len(models) != 1:
        raise ValueError(f"expected one {MODEL_FILE} in the archive, found {len(models)}")
    return models[0]


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
