"""Unpacks the archive of a Hub model: files and folders, nothing else, and nothing outside of its place."""

from __future__ import annotations

import gzip
import shutil
import tarfile
from pathlib import Path, PurePosixPath

MODEL_FILE = "saved_model.pb"
_CHUNK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


def unpack(archive: Path, into: Path) -> Path:
    """Unpack the .tar.gz file ``archive`` below ``into`` and return the folder of the model in it.

    Raises ``ValueError``, ``EOFError``, ``OSError``, ``tarfile.TarError`` or ``zlib.error`` for one that is cut, damaged,
    something else, or that holds what has no place in a model.
    """
    with archive.open("rb") as file:
        begin = file.read(16)
    if not begin.startswith(_GZIP):
        raise ValueError(f"it is no gzip archive: it begins with {begin!r}")
    with gzip.open(archive) as raw:
        with tarfile.open(fileobj=raw, mode="r:") as tar:
            for member in tar:
                _unpack(tar, member, into)
        # The checksum stands behind the last byte: it is compared only when everything is read.
        while raw.read(_CHUNK_BYTES):
            pass
    models = [path.parent for path in into.rglob(MODEL_FILE)]
    if len(models) != 1:
        raise ValueError(f"expected one {MODEL_FILE} in the archive, found {len(models)}")
    return models[0]


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    """Write one member below ``into``.

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
        shutil.copyfileobj(content, file, _CHUNK_BYTES)
