"""Started with standard streams closed, nothing that is printed gets into a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from streamer.runtime.standard_streams import open_closed_streams
open_closed_streams()
with open("out.txt", "w") as file:
    print("to stdout", flush=True)
    print("to stderr", file=sys.stderr, flush=True)
    os.write(2, b"from a library")
    file.write(f"{sys.stdin.read()!r} {file.fileno() > 2}")
"""


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_are_opened_on_nothing(closed: str, tmp_path: Path) -> None:
    command = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, PROGRAM]
    done = subprocess.run(command, cwd=tmp_path, input="", text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.txt").read_text() == "'' True"
    assert done.stdout == ("" if ">&-" in closed.split() or " >&-" in closed else "to stdout\n")


def test_what_this_program_says_is_not_held_back_with_a_librarys_chatter() -> None:
    program = """
import os, sys
from streamer.detectors.quiet import stderr_without
from streamer.runtime.standard_streams import redact_stderr
redact_stderr()
with stderr_without("chatter"):
    os.write(2, b"chatter of a library\\n")
    print("error: interrupted", file=sys.stderr)
    os._exit(3)
"""
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (3, "error: interrupted\n")
