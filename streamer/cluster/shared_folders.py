"""Whether a folder of another machine is the one of this, and can be written to: by a file of a random name, made for one run.

That there is a folder, or a manifest, of the same path says nothing: an older copy of it may lie on a disk of that machine.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from streamer.errors import OutputRefused

_PREFIX = ".streamer-shared-"
"""Hidden, so that it is nobody's input."""


@contextmanager
def marked(folders: Sequence[Path]) -> Iterator[list[Path]]:
    """A file in each of ``folders``, which are made where they are missing. They go with the context.

    The first folder is one that no other run works on meanwhile. Raises ``OutputRefused`` where a folder cannot be written to.
    """
    if not folders:
        yield []
        return
    # By the name of the first: another run may share the other folders.
    own = f"{_PREFIX}{hashlib.sha256(os.fsencode(folders[0].absolute())).hexdigest()[:8]}-"
    # A new name each time: what another machine remembers of a folder, as NFS does, cannot hold it.
    marks = [folder.absolute() / f"{own}{secrets.token_hex(16)}" for folder in dict.fromkeys(folders)]
    try:
        for mark in marks:
            try:
                mark.parent.mkdir(parents=True, exist_ok=True)
                for old in mark.parent.glob(f"{own}*"):  # of a run that was killed
                    old.unlink(missing_ok=True)
                mark.touch()
            except OSError as error:
                told = f"{mark.parent} cannot be written to ({error.strerror})"
                raise OutputRefused(told, hint="give another folder") from error
        yield marks
    finally:
        for mark in marks:
            with suppress(OSError):
                mark.unlink(missing_ok=True)


def wrong_with(marks: Sequence[Path]) -> str | None:
    """Of the first folder that is not the one of the machine which has made ``marks``, or is only to be read, what is wrong.

    It follows the name of this machine; None where all are fine.
    """
    for mark in marks:
        if not os.path.lexists(mark):
            return f"does not see {mark.parent} of this one"
        if not os.access(mark.parent, os.W_OK):
            return f"may not write to {mark.parent}"
    return None
