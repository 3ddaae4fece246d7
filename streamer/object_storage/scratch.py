"""A folder of this machine for what is fetched, and for results on their way to object storage."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.errors import OutputWriteFailed

WORK = "work-"
"""How the names of folders begin that are removed when nobody holds them."""


def scratch_root(chosen: Path | None) -> Path:
    """The folder of all work: ``chosen``, else ``streamer/scratch`` in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME")
    return chosen or (Path(base).expanduser() if base else Path.home() / ".cache") / "streamer" / "scratch"


@contextmanager
def work_folder(root: Path) -> Iterator[Path]:
    """A new folder below ``root``, removed in the end; those that killed processes have left are removed first.

    Its owner holds a lock on it, which ends with the process. Raises ``OutputWriteFailed``.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / "lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)  # between making a folder and holding it, nobody may take it for one that is left
            for left in root.glob(f"{WORK}*"):
                _remove_unless_held(left)
            folder = Path(tempfile.mkdtemp(prefix=WORK, dir=root))
            held = os.open(folder, os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_EX)
    except OSError as error:
        raise OutputWriteFailed(f"{root} cannot be written to ({error.strerror})", hint="name another --scratch") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _remove_unless_held(folder: Path) -> None:
    try:
        tried = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        fcntl.flock(tried, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(tried)
