"""A Python process of our own that works for this one, and the connection to it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from typing import NamedTuple

from streamer.runtime.signals import SIGNALS


class Child(NamedTuple):
    """A process and the connection to it: objects go both ways; its end raises ``EOFError`` on this side, ours on the other."""

    process: subprocess.Popen[bytes]
    connection: Connection


def start(module: str) -> Child:
    """Run ``module``, which calls :func:`connection_to_parent`, in a process of its own.

    It has a session of its own: neither Ctrl-C nor ``kill`` of the group reaches it, this process decides what follows. It
    should end when the connection does.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return Child(process, Connection(ours.detach()))


def connection_to_parent() -> Connection:
    """In the process that was started: its connection. Signals that were meant for the parent are ignored from now on."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    return Connection(int(sys.argv[1]))
