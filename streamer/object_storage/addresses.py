"""Which texts and paths are addresses of object storage."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
"""Schemes of object storage, and the package that reaches it. An object appears when it is whole, or not at all, which
``sftp`` and the like do not promise."""
_ADDRESS = re.compile(rf"({'|'.join(PACKAGES)}):/+(.*)", re.DOTALL)


def address_of(name: str | Path | None) -> str | None:
    """The address that ``name`` is; None for anything else. A ``Path`` has lost the second slash behind the scheme."""
    found = None if name is None else _ADDRESS.fullmatch(str(name))
    return None if found is None else f"{found[1]}://{found[2].rstrip('/')}"


def shown_path(path: Path | None) -> str:
    """For people: an address with both slashes, other paths as they are."""
    return address_of(path) or str(path)


def is_below(address: str, folder: str) -> bool:
    """Whether it is ``folder`` itself, or lies in it."""
    return address == folder or address.startswith(folder + "/")
