"""What was found out about a SavedModel, kept on disk, so that the next start neither analyses nor loads the whole of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer.detectors import hub_cache
from streamer.detectors.graph_cut import Cut
from streamer.detectors.inner_size import InnerSize

log = logging.getLogger(__name__)

VERSION = 2
"""Changes when a cut of an older version may not be used any more."""
MOST_ENTRIES = 4
"""Cuts that are kept, newest use first: one is as large as its model."""
DESCRIPTION, FIRST, SECOND, WEIGHTS = "cut.json", "boxes.pb", "masks.pb", "weights.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a model."""

    contract: dict[str, str]
    """Names of inputs and outputs, each with dtype and shape."""
    fixed_size: tuple[int, int] | None
    """Width and height of the only pictures that it takes; None where it takes any."""
    inner: InnerSize | None
    """The size that it brings pictures to; None where it brings them to none, or that is not known."""
    whole_because: str = ""
    """Why it is not cut; empty where it is."""


def root() -> Path:
    """The folder of all cuts, beside the cache of Hub models that the program chooses itself."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "streamer" / "cuts"


def fingerprint(folder: Path, tensorflow_version: str, device: str) -> str:
    """Of the content of a SavedModel folder, of what cuts it, and of the device on which the cut is proved."""
    return re.sub(r"[^\w.]+", "-", f"{_content(folder)} {VERSION} {tensorflow_version} {device}")


@contextlib.contextmanager
def held(key: str) -> Iterator[None]:
    """One process at a time finds out about a model: that takes minutes and gigabytes. Without a cache nobody waits."""
    with contextlib.ExitStack() as stack:
        try:
            root().mkdir(parents=True, exist_ok=True)
            stack.enter_context(hub_cache.locked(root() / key))
            for left in root().glob(f"{key}.*.part"):
                shutil.rmtree(left, ignore_errors=True)  # of a process that was killed
        except OSError as error:
            log.warning("nothing of the model can be kept in %s, every start takes as long: %s", root(), error.strerror)
        yield


def load(key: str, graph_def: Any) -> tuple[Known, Cut | None] | None:
    """What is known of the model of this fingerprint; None where nothing is, or what is there is damaged.

    ``graph_def`` is TensorFlow's class.
    """
    folder = root() / key
    try:
        told = json.loads((folder / DESCRIPTION).read_text())
        known = Known(
            contract=told["contract"],
            fixed_size=None if told["fixed_size"] is None else (told["fixed_size"][0], told["fixed_size"][1]),
            inner=None if told["inner"] is None else InnerSize(*told["inner"]),
            whole_because=told["whole_because"],
        )
        if known.whole_because:
            return known, None
        if _sums(folder) != told["sha256"]:
            log.info("what is kept of the model in %s has changed", folder)
            return None
        parts = {name: graph_def.FromString((folder / name).read_bytes()) for name in (FIRST, SECOND)}
        with np.load(folder / WEIGHTS, allow_pickle=False) as file:
            weights = {name: file[name] for name in file}
        freed = {name: np.array(values, dtype) for name, (values, dtype) in told["freed"].items()}
        cut = Cut(first=parts[FIRST], second=parts[SECOND], freed=freed, weights=weights, **told["names"])
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001  # protobuf has errors of its own; whatever is wrong, it is found out again
        log.info("what is kept of the model in %s is of no use: %s", folder, error)
        return None
    with contextlib.suppress(OSError):  # a cache that may only be read works just as well
        os.utime(folder / DESCRIPTION)
    return known, cut


def save(key: str, known: Known, cut: Cut | None) -> None:
    """Keep it; where the disk does not let us, the next start takes longer."""
    folder = root() / key
    told: dict[str, Any] = asdict(known)
    if cut is not None:
        told["freed"] = {name: (values.tolist(), str(values.dtype)) for name, values in cut.freed.items()}
        told["names"] = {
            "picture": cut.picture,
            "outputs": dict(cut.outputs),
            "handed": dict(cut.handed),
            "masks": cut.masks,
            "rows": cut.rows,
        }
    try:
        root().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{key}.", suffix=".part", dir=root()) as part:
            whole = Path(part) / key
            whole.mkdir()
            if cut is not None:
                (whole / FIRST).write_bytes(cut.first.SerializeToString())
                (whole / SECOND).write_bytes(cut.second.SerializeToString())
                np.savez(whole / WEIGHTS, allow_pickle=False, **cut.weights)
                told["sha256"] = _sums(whole)
            (whole / DESCRIPTION).write_text(json.dumps(told, indent=1))
            shutil.rmtree(folder, ignore_errors=True)
            whole.rename(folder)
        _forget_old()
    except OSError as error:
        log.warning("nothing is kept of the model, the next start takes as long: %s", error)


def forget(folder: Path) -> None:
    """Remove what is kept of the model in ``folder``, for every version of TensorFlow. Raises ``OSError``."""
    for kept in root().glob(f"{_content(folder)}-*"):
        if kept.is_dir():
            shutil.rmtree(kept)
        else:
            kept.unlink()  # its lock


def _content(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != hub_cache.MANIFEST:
            digest.update(f"{path.relative_to(folder)} {hub_cache.sha256(path)}".encode())
    return digest.hexdigest()[:32]


def _forget_old() -> None:
    used = sorted(root().glob(f"*/{DESCRIPTION}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in used[MOST_ENTRIES:]:
        shutil.rmtree(path.parent, ignore_errors=True)


def _sums(folder: Path) -> dict[str, str]:
    return {name: hub_cache.sha256(folder / name) for name in (FIRST, SECOND, WEIGHTS)}
