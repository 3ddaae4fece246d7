"""Standard input, output and error of a process that was started without them, as daemons and cron may do."""

from __future__ import annotations

import os
import sys


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
