"""A Python process of our own that works for this one, and the connection to it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NamedTuple

from streamer.runtime.signals import SIGNALS

_PR_SET_PDEATHSIG = 1


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


def received(connection: Connection) -> SimpleQueue[Any]:
    """What comes, in a queue: the thread that waits for it also sees that the other side has gone, and ends the process.

    Work that is under way, such as a call into a model, may not look for minutes.
    """
    objects: SimpleQueue[Any] = SimpleQueue()

    def receive() -> None:
        try:
            while True:
                objects.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=receive, name="from the parent", daemon=True).start()
    return objects


def die_with_parent() -> None:
    """From now on the kernel ends this process when the thread that started it is no more, however it ended.

    The end of the connection says so, too, but somebody has to listen to it, and Python's lock may be held. Linux only.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
