"""What can be wrong with a disk or a folder, in the words of the person who has to mend it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from streamer.errors import OutputRefused

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.ENOENT: "the folder is gone",
    errno.EFBIG: "the file would be too large",
    errno.EEXIST: "a file is in the place of the folder",
    errno.ENOTDIR: "a file is in the place of the folder",
}


def why(error: OSError) -> str:
    """Why writing failed."""
    return _REASONS.get(error.errno or 0, " ".join(str(error).split()))


def usable(folder: Path) -> None:
    """Make the folder. Raises ``OutputRefused`` where nothing can be written."""
    hint = "choose a folder that can be written to"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputRefused(f"cannot record into {folder}: {error.strerror}", hint=hint) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputRefused(f"cannot record into {folder}: no permission to write there", hint=hint)
