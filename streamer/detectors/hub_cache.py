"""Where downloaded Hub models lie, and whether they are whole."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

MANIFEST = "streamer-manifest.json"
"""Beside the model's own files: their sizes and sha256, written once it was complete."""


def root() -> Path:
    """The persistent folder of all Hub models: ``TFHUB_CACHE_DIR``, else ``streamer/hub`` in the user's cache directory."""
    if chosen := os.environ.get("TFHUB_CACHE_DIR"):
        return Path(chosen).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).expanduser() / "streamer" / "hub"
    return Path.home() / ".cache" / "streamer" / "hub"


def entry(handle: str) -> Path:
    """The folder of one model: the sha1 of its handle, as TensorFlow Hub names it."""
    return root() / hashlib.sha1(handle.rstrip("/").encode(), usedforsecurity=False).hexdigest()


def is_whole(folder: Path) -> bool:
    """Whether a model lies there and, where it has a manifest, all its files have the sizes written there."""
    if not (folder / "saved_model.pb").is_file():
        return False
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == size for name, (size, _) in manifest["files"].items()
    )


def size_bytes(folder: Path) -> int:
    """What the model takes on disk."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
