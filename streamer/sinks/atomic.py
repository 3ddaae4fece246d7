"""Output files that appear whole or not at all: written beside their place under another name, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from copy import copy
from itertools import count
from pathlib import Path

from streamer.errors import OutputRefused, OutputWriteFailed
from streamer.sinks.leftovers import Leftovers, hold, temporary_name


def check_output(path: str | Path, *, source: str | Path | None = None, overwrite: bool = False) -> Path:
    """Refuse what may not be written, before anything is read; returns the place, links followed.

    ``source`` is the input, which is never overwritten, whatever link leads to it. Raises ``OutputRefused``.
    """
    path = Path(path)
    try:
        return _checked(path, source, overwrite=overwrite)
    except OSError as error:
        raise OutputRefused(f"{path} cannot be written ({error.strerror})", hint="give another name or folder") from error


def _checked(path: Path, source: str | Path | None, *, overwrite: bool) -> Path:
    place = Path(os.path.realpath(path))
    if path.is_dir():
        raise OutputRefused(f"{path} is a folder", hint="name a file in it")
    if source is not None and path.exists() and Path(source).exists() and path.samefile(source):
        raise OutputRefused(f"{path} is the input itself", hint="give another name for the output")
    if path.exists() and not path.is_file():
        raise OutputRefused(f"{path} is no ordinary file", hint="give a file's name")
    if path.exists() and not overwrite:
        raise OutputRefused(f"{path} exists", hint="give another name, or --overwrite")
    if not place.parent.is_dir():
        raise OutputRefused(f"there is no folder {path.parent}", hint="make it first, or check the name")
    if not os.access(place.parent, os.W_OK | os.X_OK):
        raise OutputRefused(f"the folder {path.parent} may not be written to", hint="give another folder")
    return place


def make_folder(folder: Path) -> None:
    """Make a folder for results, and those above it. Raises ``OutputRefused``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputRefused(
            f"the folder {folder} cannot be made ({error.strerror})", hint="give another one, or see what is there"
        ) from error


class PendingFile:
    """A file on its way to ``place``: :attr:`temporary` is written, then :meth:`commit` or :meth:`discard` ends it.

    A process that is killed leaves the temporary file beside the place (see ``Leftovers``). It disturbs no later run, and what
    is in it can be played; the next one that completes the same file removes it. Should the folder be removed meanwhile,
    :meth:`restore` and :meth:`commit` bring both back.
    """

    def __init__(self, path: str | Path, *, source: str | Path | None = None, overwrite: bool = False) -> None:
        """Make the temporary file. Raises ``OutputRefused`` where that is not allowed."""
        self.path = Path(path)
        self._overwrite = overwrite
        self._place = check_output(path, source=source, overwrite=overwrite)
        self._left = Leftovers(self._place)
        self._keep = False
        self._descriptor: int | None
        self.temporary, self._descriptor = self._make()

    def sibling(self) -> PendingFile:
        """Another temporary file on its way to the same place."""
        other = copy(self)
        other.temporary, other._descriptor = self._make()  # noqa: SLF001  # one of this class
        return other

    def _make(self) -> tuple[Path, int]:
        temporary = temporary_name(self._place)
        try:
            descriptor = _held(temporary, os.O_CREAT | os.O_EXCL)
        except OSError as error:
            raise OutputRefused(
                f"{self.path} cannot be written ({error.strerror})", hint="give another folder, or check its permissions"
            ) from error
        return temporary, descriptor

    def commit(self) -> None:
        """Bring it to the disk and name it. Raises ``OutputWriteFailed``, or ``OutputRefused`` for a taken name.

        After a failure it is still there, for :meth:`keep` or :meth:`discard`.
        """
        try:
            self.restore()
            _sync(self.temporary)
            if self._overwrite:
                self.temporary.replace(self._place)
            else:
                _rename_to_free_name(self.temporary, self._place)
            _sync(self._place.parent)
        except FileExistsError as error:
            # The work of hours may be in it, and it is whole: it stays.
            kept = self.keep()
            raise OutputRefused(
                f"{self.path} has come into being meanwhile", hint=f"the finished file is {kept}: rename it"
            ) from error
        except OSError as error:
            raise OutputWriteFailed(f"{self.path} cannot be completed ({error.strerror})", hint="check the disk") from error
        self._let_go()
        self._left.remove()

    def restore(self) -> None:
        """Bring back the file, and its folder, when they were removed while it was written. Raises ``OSError``."""
        if self._descriptor is None or os.fstat(self._descriptor).st_nlink:
            return
        self._place.parent.mkdir(parents=True, exist_ok=True)
        # Removed before its writer opened it, which made it anew, it is there.
        with suppress(FileExistsError), self.temporary.open("xb") as found, open(self._descriptor, "rb", closefd=False) as lost:
            lost.seek(0)
            shutil.copyfileobj(lost, found)
        self._let_go()
        self._descriptor = _held(self.temporary)

    def keep(self) -> Path:
        """Leave what was written as ``NAME.incomplete.EXT`` beside the place, or under its own name. Returns the name.

        For failures after which the work is worth more than a tidy folder. Never raises.
        """
        self._keep = True
        self._let_go()
        for number in count(1):
            name = f"{self._place.stem}.incomplete{'' if number == 1 else f'-{number}'}{self._place.suffix}"
            try:
                _rename_to_free_name(self.temporary, self._place.with_name(name))
            except FileExistsError:
                continue
            except OSError:
                # The disk that is full may hold no new name either: then the old one has to do.
                return self.temporary
            return self.path.with_name(name)
        raise AssertionError("there is always another number")

    def discard(self) -> None:
        """Remove it, unless it was kept. Never raises; nothing happens when it is gone."""
        self._let_go()
        if self._keep:
            return
        with suppress(OSError):
            self.temporary.unlink(missing_ok=True)

    def _let_go(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


def _held(path: Path, flags: int = 0) -> int:
    """A descriptor: what is written stays readable through it even when the folder is removed. Raises ``OSError``."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o666)
    hold(descriptor)
    return descriptor


def _rename_to_free_name(path: Path, name: Path) -> None:
    """Rename without overwriting anything. Raises ``FileExistsError`` for a name that is taken, or another ``OSError``."""
    # A link fails where the name is taken, in one step; a rename would overwrite what came between check and rename.
    try:
        os.link(path, name)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        if name.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(name)) from error
        path.replace(name)
        return
    path.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot bring a folder to the disk: what can be done was done.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
