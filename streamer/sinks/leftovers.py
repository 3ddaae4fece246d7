"""Temporary names beside an output, and what processes that were killed have left under them."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)

# Bytes of a name that leave room for the rest of a temporary one; file systems end at 255.
_MAX_STEM_BYTES = 150
_MARK = r"\.partial-(?P<kernel{0}>[0-9a-f]{{4}})?[0-9a-f]{{8}}"


class _Writer(Enum):
    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


def temporary_name(place: Path) -> Path:
    """A new hidden name beside ``place``: ``.NAME.partial-KKKKXXXXXXXX.EXT``, of the running kernel and of chance."""
    stem = os.fsdecode(os.fsencode(place.stem)[:_MAX_STEM_BYTES])
    return place.with_name(f".{stem}.partial-{_kernel()}{secrets.token_hex(4)}{place.suffix}")


def hold(descriptor: int) -> None:
    """Say that what lies under a temporary name is being written, for as long as the descriptor is open: a killed process
    lets go of it. Never raises."""
    with suppress(OSError):  # some file systems know no locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)


class Leftovers:
    """What there is under temporary names of ``place``, of processes that do not write it any more.

    They are told of in one warning. A writer is dead for certain where it ran on this kernel and does not hold the lock:
    other machines may not see each other's locks. What is left of those goes with :meth:`remove`, which belongs behind the
    end of the new output: until then it may be all that there is of hours of work.
    """

    def __init__(self, place: Path) -> None:
        found = [(path, _writer(path, kernel)) for path, kernel in _partials(place)]
        self._dead = [path for path, writer in found if writer is _Writer.DEAD]
        """Also a file may be among them whose writer had made it and not locked it yet."""
        unknown = [path.name for path, writer in found if writer is _Writer.UNKNOWN]
        told = []
        if self._dead:
            told.append(f"{_names(path.name for path in self._dead)}, which goes when this run has written {place.name}")
        if unknown:
            told.append(f"{_names(unknown)}, which you can remove unless another machine is writing it")
        if told:
            log.warning("%s: an earlier run that was killed has left %s", place, "; and ".join(told))

    def remove(self) -> None:
        """Remove what is of the dead. Never raises."""
        for path in self._dead:
            if not _is_held(path):
                _remove(path)


def remove_partial(place: Path) -> None:
    """Remove all that is left under temporary names of ``place``; nobody may be writing to it. Never raises.

    Of a name so long that its temporary ones are shortened, and may be another's, they stay.
    """
    if len(os.fsencode(place.stem)) <= _MAX_STEM_BYTES:
        for path, _ in _partials(place):
            _remove(path)


@contextmanager
def working_folder(place: Path) -> Iterator[Path]:
    """A new folder under a temporary name beside ``place``, removed in the end. Raises ``OSError``."""
    left = Leftovers(place)
    folder = temporary_name(place)
    folder.mkdir()
    held = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        hold(held)
        yield folder
        left.remove()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


@cache
def _kernel() -> str:
    """Four digits for the kernel that runs, from its start on: whose locks are seen here."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        return secrets.token_hex(2)  # then nobody is known to be dead
    return hashlib.sha256(boot).hexdigest()[:4]


def _partials(place: Path) -> Iterator[tuple[Path, str | None]]:
    """What there is under temporary names of ``place``, each with the kernel of its writer where the name tells."""
    stem = re.escape(os.fsdecode(os.fsencode(place.stem)[:_MAX_STEM_BYTES]))
    # What waits for other files is written under a temporary name of a temporary name.
    name = re.compile(rf"\.{{1,2}}{stem}{_MARK.format(1)}({_MARK.format(2)})?{re.escape(place.suffix)}", re.DOTALL)
    with suppress(OSError):
        for entry in list(os.scandir(place.parent)):
            if (found := name.fullmatch(entry.name)) is not None:
                yield Path(entry.path), found["kernel1"]


def _writer(path: Path, kernel: str | None) -> _Writer:
    held = _is_held(path)
    if held:
        return _Writer.ALIVE
    return _Writer.DEAD if held is not None and kernel == _kernel() else _Writer.UNKNOWN


def _is_held(path: Path) -> bool | None:
    """Whether somebody on this kernel is writing it; None where that cannot be known."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe of such a name is not waited for
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink(missing_ok=True)
