"""What every command lives under: errors as one line and an exit code, and nothing that shows a password."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, ParamSpec

import typer

from streamer.runtime.signals import exit_code

P = ParamSpec("P")

_debug = False


def _set_debug(value: bool) -> None:
    global _debug  # one process runs one command
    _debug = _debug or value


Debug = Annotated[
    bool, typer.Option("--debug", callback=_set_debug, help="Show the traceback of an error.", show_default=False)
]


def guarded(command: Callable[P, int | None]) -> Callable[P, None]:
    """Turn what a command raises into one line on stderr and the exit code: 1 failure, 2 arguments, 130 or 143 ended
    by a signal."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        from streamer.errors import StreamerError

        try:
            code = command(*args, **kwargs) or 0
        except StreamerError as error:
            code = _complain(error, error.exit_code)
        except KeyboardInterrupt as error:
            code = _complain("interrupted", exit_code(complete=False), error)
        except MemoryError as error:
            code = _complain("there is not enough memory", 1, error)
        except BrokenPipeError:
            # The reader of stdout has gone (`streamer probe x | head`).
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 1
        except Exception as error:  # noqa: BLE001  # a mistake of ours: Python would show it with all that its texts hold
            sys.stderr.write(redacted(error))
            code = 1
        raise typer.Exit(code)

    return run


def _complain(message: object, code: int, error: BaseException | None = None) -> int:
    from streamer.redact import redact

    error = error or (message if isinstance(message, BaseException) else None)
    if _debug and error is not None:
        sys.stderr.write(redacted(error))
    sys.stderr.write(f"error: {redact(str(message))}\n")
    return code


def redacted(error: BaseException) -> str:
    """The traceback of an error, without credentials."""
    from streamer.redact import redact

    return redact("".join(traceback.format_exception(error)))
