"""One process at a time makes the events of a folder."""

from __future__ import annotations

import fcntl
import logging
from pathlib import Path

from streamer.errors import ConfigError

log = logging.getLogger(__name__)

_NAME = ".events.lock"


class Ownership:
    """Holds ``folder`` until closed, or until the process ends, however it does.

    Two processes in one folder would end each other's events, and tell everything twice. Raises ``ConfigError`` where another
    one has it, or nothing can be written there. Who only reads needs none.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file = (folder / _NAME).open("a")
        except OSError as error:
            raise ConfigError(
                f"cannot write in the folder {folder}: {error.strerror}", hint="check the path and its rights"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ConfigError(
                f"another process makes events in {folder}", hint="end it, or give each process a folder of its own"
            ) from None
        except OSError as error:  # file systems of other machines may know no locks
            log.warning("%s cannot be locked: %s; see that no other process makes events there", folder, error.strerror)

    def close(self) -> None:
        """Let go of it."""
        self._file.close()
