"""Standard input, output and error: each of them open, also where daemons or cron closed them, and no secret on the last."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable

from streamer.redact import redact


def open_closed_streams() -> None:
    """Open what of the three is closed on nothing; to be called before anything else is opened.

    Otherwise the next file gets the free descriptor, and what a library prints ends up in a recording.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free descriptor: those below are open by now.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: PTH123, SIM115  # as long as the process


def redact_stderr() -> None:
    """From now on nothing that is written to ``sys.stderr`` shows a password.

    It gets a descriptor of its own: while a library loads whose chatter is held back, this program can still speak.
    """
    if isinstance(sys.stderr, io.TextIOWrapper):
        given = sys.stderr
        own = os.fdopen(os.dup(given.fileno()), "w", buffering=1, encoding=given.encoding, errors=given.errors)
        sys.stderr = RedactedText(own)


class RedactedText(io.TextIOBase):
    """Hands on what is written to ``stream``, redacted piece by piece.

    What this program says is redacted where it is made. This is for all others that write to standard error: complaints
    about arguments, warnings, FFmpeg's messages, Python's last words about an error.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property here as in TextIOWrapper
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # as above
        return self._stream.errors

    @property
    def buffer(self) -> io.BufferedIOBase:
        return self._stream.buffer  # type: ignore[return-value]  # typeshed: BinaryIO

    def write(self, text: str) -> int:
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]  # of text, as this is a stream of text
        self.write("".join(lines))

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True
