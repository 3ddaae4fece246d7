"""Keeps what native libraries print when they load off stderr."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stderr_without(pattern: str) -> Iterator[None]:
    """Hold back what is written to file descriptor 2 meanwhile; afterwards pass on the lines that do not match ``pattern``.

    For libraries that print on load and have no setting for it. A process without a stderr is left alone.
    """
    unwanted = re.compile(pattern.encode())
    sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:
        yield
        return
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            written.seek(0)
            for line in written:
                if not unwanted.search(line):
                    os.write(2, line)
