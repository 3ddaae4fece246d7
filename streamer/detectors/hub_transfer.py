"""Fetches one archive over HTTP: goes on where an earlier transfer broke off, and checks what has come."""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import http.client
import json
import logging
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from streamer.redact import redact

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30.0
"""How long a server may be silent."""
WAITS_S = (1.0, 3.0, 9.0)
"""Seconds before each further attempt in a row that brought nothing; after the last one it is given up."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes that have come and the bytes that will, where the server says so."""


class BrokenOffError(EOFError):
    """The connection ended before the archive did; what has come is kept."""


@dataclass(frozen=True, slots=True)
class _Version:
    """Which bytes a server sends. Parts of two versions do not fit together."""

    etag: str = ""
    """The strong entity tag; empty where there is none."""
    modified: str = ""
    """The Last-Modified header."""
    total: int | None = None
    """Bytes of the whole archive; None where the server does not say."""
    md5: str = ""
    """Of the whole archive, in hexadecimal, where the server says it."""

    @property
    def validator(self) -> str:
        """What ``If-Range`` names it by; empty where it cannot be told from another version."""
        return self.etag or self.modified


def fetch(address: str, archive: Path, progress: Progress | None = None) -> None:
    """Bring the archive of the model at ``address`` into the file ``archive``, whole and checked.

    Transfers that break off are continued, also those of an earlier process that left ``archive`` behind: beside it lies what
    is known of it. Raises ``OSError``, ``EOFError``, ``http.client.HTTPException`` or ``ValueError``; see :func:`reason`.
    """
    most = _size(archive)
    fruitless = 0
    while True:
        try:
            version = _go_on(address, archive, progress)
            break
        except (BrokenOffError, TimeoutError, ConnectionError, http.client.IncompleteRead, urllib.error.URLError) as error:
            if isinstance(error, urllib.error.HTTPError) or not _size(archive):
                raise
            # A server that does not know Range sends the same bytes again: that is no gain.
            fruitless = 0 if _size(archive) > most else fruitless + 1
            if fruitless > len(WAITS_S):
                raise
            most = max(most, _size(archive))
            log.info("%s; going on", reason(error))
            if fruitless:
                time.sleep(WAITS_S[fruitless - 1])
    if version.md5:
        with archive.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if found != version.md5:
            discard(archive)
            raise ValueError(f"it arrived damaged: its md5 is {found}, the server says {version.md5}")


def kept(archive: Path) -> str:
    """What a later :func:`fetch` of the same file can go on after, in words; empty when it has to begin anew."""
    version, have = _known(archive), _size(archive)
    if not have or not version.validator:
        return ""
    return f"{have / 1e6:.1f}{'' if version.total is None else f' of {version.total / 1e6:.1f}'} MB"


def discard(archive: Path) -> None:
    """Remove what has come of it."""
    archive.unlink(missing_ok=True)
    _notes(archive).unlink(missing_ok=True)


def reason(error: BaseException) -> str:
    """Why a transfer failed, on one line, without credentials; of an error of the disk with the path."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        text = "the server redirects in a circle" if "infinite loop" in str(error) else f"HTTP {error.code} {error.reason}"
    elif isinstance(error, urllib.error.URLError):
        text = reason(error.reason) if isinstance(error.reason, OSError) else str(error.reason)
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    else:
        text = str(error) or type(error).__name__
    return redact(" ".join(text.split()))


def _go_on(address: str, archive: Path, progress: Progress | None) -> _Version:
    """One request for what is missing of ``archive``, or for all of it."""
    version, have = _known(archive), _size(archive)
    if have and version.validator:
        try:
            with urllib.request.urlopen(_request(address, have, version.validator), timeout=TIMEOUT_S) as response:
                sent = _version(response.headers, response.status)
                if response.status == http.HTTPStatus.PARTIAL_CONTENT and _fits(response.headers, have, sent, version):
                    return _receive(response, archive, have, version, progress)
                if response.status != http.HTTPStatus.PARTIAL_CONTENT:
                    return _receive(response, archive, 0, sent, progress)
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            with error:
                if version.total == have and _range(error.headers) in ((None, have), (None, None)):
                    return version
        log.info("the archive has changed on the server since %d bytes of it were fetched; beginning anew", have)
    discard(archive)
    with urllib.request.urlopen(_request(address), timeout=TIMEOUT_S) as response:
        return _receive(response, archive, 0, _version(response.headers, response.status), progress)


def _receive(response: Any, archive: Path, have: int, version: _Version, progress: Progress | None) -> _Version:
    """Write the body behind the first ``have`` bytes of ``archive``. Raises ``BrokenOffError`` when it ends too early."""
    kind = response.headers.get_content_type()
    if kind == "text/html":
        raise ValueError("the server sent a web page (text/html), not an archive")
    total = version.total
    free = shutil.disk_usage(archive.parent).free
    if total is not None and total - have > free:
        raise OSError(
            errno.ENOSPC, f"it needs {(total - have) / 1e6:.0f} MB and {free / 1e6:.0f} MB are free", str(archive.parent)
        )
    if not have:
        _notes(archive).write_text(json.dumps(asdict(version)))
    with archive.open("ab" if have else "wb") as file:
        # What is there, not all of it: a connection that is reset in the middle would take with it what had come.
        while chunk := response.read1(CHUNK_BYTES):
            file.write(chunk)
            file.flush()  # also for a process that is killed
            have += len(chunk)
            if progress is not None:
                progress(have, total)
    if total is not None and have != total:
        if have > total:
            discard(archive)
            raise ValueError(f"the server sent {have} bytes, and said {total}")
        raise BrokenOffError(f"the transfer broke off after {have} of {total} bytes")
    return version


def _version(headers: Message, status: int) -> _Version:
    etag = headers.get("ETag", "").strip()
    if status == http.HTTPStatus.PARTIAL_CONTENT:
        _, total = _range(headers)
    else:
        length = headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
    return _Version(
        etag="" if etag.startswith("W/") else etag,
        modified=headers.get("Last-Modified", "").strip(),
        total=total,
        md5=_md5(headers),
    )


def _md5(headers: Message) -> str:
    """The md5 of the whole archive in hexadecimal, as Google's storage says it: ``x-goog-hash: crc32c=…,md5=…`` in base64."""
    for part in ",".join(headers.get_all("x-goog-hash", [])).split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "md5":
            try:
                return base64.b64decode(value, validate=True).hex()
            except binascii.Error:
                return ""
    return ""


def _range(headers: Message) -> tuple[int | None, int | None]:
    """First byte and whole length by ``Content-Range: bytes 10-99/100`` or ``bytes */100``; None for what it does not say."""
    found = re.fullmatch(r"bytes\s+(?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", "").strip(), re.ASCII)
    if found is None:
        return None, None
    return (None if found[1] is None else int(found[1])), (None if found[2] == "*" else int(found[2]))


def _fits(headers: Message, have: int, sent: _Version, version: _Version) -> bool:
    """Whether a part continues the ``have`` bytes of ``version``."""
    first, _ = _range(headers)
    same = all(
        not (getattr(sent, name) and getattr(version, name)) or getattr(sent, name) == getattr(version, name)
        for name in ("etag", "modified", "total", "md5")
    )
    return first == have and same


def _known(archive: Path) -> _Version:
    try:
        return _Version(**json.loads(_notes(archive).read_text()))
    except (OSError, ValueError, TypeError):  # not there, or half written: then the archive is fetched from the start
        return _Version()


def _notes(archive: Path) -> Path:
    return archive.with_name(archive.name + ".json")


def _size(archive: Path) -> int:
    return archive.stat().st_size if archive.is_file() else 0


def _request(address: str, first: int = 0, validator: str = "") -> urllib.request.Request:
    """Ask for the archive as TensorFlow Hub's servers have it; credentials go into a header, and to this host only."""
    parts = urllib.parse.urlsplit(address)
    query = urllib.parse.urlencode([*urllib.parse.parse_qsl(parts.query), ("tf-hub-format", "compressed")])
    userinfo, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=host, query=query)))
    if first:
        request.add_header("Range", f"bytes={first}-")
        request.add_header("If-Range", validator)
    if userinfo:
        basic = base64.b64encode(urllib.parse.unquote(userinfo).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {basic}")
    return request
