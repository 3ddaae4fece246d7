"""The lock file of models: which files each handle gave when it was fetched first, so that a later change is noticed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.errors import DetectorUnavailable

NAME = "models.lock"
"""In the cache's folder, unless ``STREAMER_MODELS_LOCK`` names another file, such as one under version control."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a model is made of."""

    files: Mapping[str, str]
    """sha256 by the file's path within the model."""
    archive_sha256: str = ""
    """Of the archive that it came in; empty where it came in none."""


def path(root: Path) -> Path:
    """The lock file that holds for the cache in ``root``."""
    chosen = os.environ.get("STREAMER_MODELS_LOCK")
    return Path(chosen).expanduser() if chosen else root / NAME


def handles(lock: Path) -> list[str]:
    """The handles that are noted. Raises ``DetectorUnavailable`` for a lock file that cannot be read."""
    return list(_read(lock))


def difference(lock: Path, handle: str, found: Contents) -> str:
    """How the model differs from what the lock file says of its handle, in words; empty when it agrees or is not named there.

    The same files in another archive are the same model. Raises ``DetectorUnavailable`` for a lock file that cannot be read.
    """
    known = _read(lock).get(handle)
    if known is None or (found.archive_sha256 and known.archive_sha256 == found.archive_sha256):
        return ""
    for name in sorted({*known.files, *found.files}):
        before, now = known.files.get(name), found.files.get(name)
        if before is None:
            return f"file {name} is new"
        if now is None:
            return f"file {name} is missing"
        if before != now:
            return f"file {name} has the sha256 {now}, locked is {before}"
    return ""


def write(lock: Path, handle: str, found: Contents, *, replace: bool = False) -> None:
    """Note what a handle gave, unless it is named already; ``replace`` notes it anew. Raises ``OSError``.

    One process at a time: call it under a lock of the cache's.
    """
    models = _read(lock)
    if handle in models and not replace:
        return
    models[handle] = found
    partial = lock.with_name(lock.name + ".part")
    entries = {
        name: {"archive_sha256": contents.archive_sha256, "files": dict(sorted(contents.files.items()))}
        for name, contents in sorted(models.items())
    }
    partial.write_text(json.dumps({"models": entries}, indent=1) + "\n")
    partial.replace(lock)


def _read(lock: Path) -> dict[str, Contents]:
    try:
        entries: dict[str, Any] = json.loads(lock.read_text())["models"]
        return {
            name: Contents(files=dict(entry["files"]), archive_sha256=str(entry["archive_sha256"]))
            for name, entry in entries.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DetectorUnavailable(
            f"the lock file of models {lock} cannot be read: {' '.join(str(error).split())}",
            hint="mend it, or remove it and the next download writes a new one",
        ) from error
