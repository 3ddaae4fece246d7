"""Output files that appear whole or not at all: written beside their place under another name, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from copy import copy
from pathlib import Path

from streamer.errors import OutputRefused, OutputWriteFailed

# Bytes of a name that leave room for the rest of a temporary one; file systems end at 255.
_MAX_STEM_BYTES = 150


def check_output(path: str | Path, *, source: str | Path | None = None, overwrite: bool = False) -> Path:
    """Refuse what may not be written, before anything is read; returns the place, links followed.

    ``source`` is the input, which is never overwritten, whatever link leads to it. Raises ``OutputRefused``.
    """
    path = Path(path)
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


class PendingFile:
    """A file on its way to ``place``: :attr:`temporary` is written, then :meth:`commit` or :meth:`discard` ends it.

    A process that is killed leaves ``.NAME.partial-XXXXXXXX.EXT`` beside the place. It disturbs no later run, and what is in
    it can be played or deleted.
    """

    def __init__(self, path: str | Path, *, source: str | Path | None = None, overwrite: bool = False) -> None:
        """Make the temporary file. Raises ``OutputRefused`` where that is not allowed."""
        self.path = Path(path)
        self._overwrite = overwrite
        self._place = check_output(path, source=source, overwrite=overwrite)
        self._keep = False
        self.temporary = self._make()

    def sibling(self) -> PendingFile:
        """Another temporary file on its way to the same place."""
        other = copy(self)
        other.temporary = self._make()
        return other

    def _make(self) -> Path:
        stem = os.fsdecode(os.fsencode(self._place.stem)[:_MAX_STEM_BYTES])
        temporary = self._place.with_name(f".{stem}.partial-{secrets.token_hex(4)}{self._place.suffix}")
        try:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            raise OutputRefused(
                f"{self.path} cannot be written ({error.strerror})", hint="give another folder, or check its permissions"
            ) from error
        return temporary

    def commit(self) -> None:
        """Bring it to the disk and name it. Raises ``OutputWriteFailed``, or ``OutputRefused`` for a taken name."""
        try:
            _sync(self.temporary)
            if self._overwrite:
                self.temporary.replace(self._place)
            else:
                self._take_free_name()
            _sync(self._place.parent)
        except FileExistsError as error:
            # The work of hours may be in it, and it is whole: it stays.
            self._keep = True
            raise OutputRefused(
                f"{self.path} has come into being meanwhile", hint=f"the finished file is {self.temporary}: rename it"
            ) from error
        except OSError as error:
            raise OutputWriteFailed(f"{self.path} cannot be completed ({error.strerror})", hint="check the disk") from error

    def discard(self) -> None:
        """Remove it, unless it is finished and only its name was taken. Never raises; nothing happens when it is gone."""
        if self._keep:
            return
        with suppress(OSError):
            self.temporary.unlink(missing_ok=True)

    def _take_free_name(self) -> None:
        # A link fails where the name is taken, in one step; a rename would overwrite what came between check and rename.
        try:
            os.link(self.temporary, self._place)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            if self._place.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self._place)) from error
            self.temporary.replace(self._place)
            return
        self.temporary.unlink()


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
