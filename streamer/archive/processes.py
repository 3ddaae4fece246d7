"""Workers of an archive that are processes of this machine."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from streamer.archive.messages import Gone, Message
from streamer.archive.task import Task, Work
from streamer.runtime.child import start


@dataclass(frozen=True, slots=True, eq=False)
class WorkerProcess:
    """Implements ``pool.Worker``."""

    process: subprocess.Popen[bytes]
    connection: Connection
    task: Task[Any]

    def send(self, work: Work[Any]) -> None:
        """Hand over a recording."""
        with suppress(OSError):  # it has died, which the connection says, too
            self.connection.send(work)


@dataclass(frozen=True, slots=True)
class Processes:
    """Implements ``pool.Workforce``: a process for each of ``tasks``, which may differ in their device."""

    tasks: Sequence[Task[Any]]
    _free: list[Task[Any]] = field(init=False, default_factory=list)
    """Those that a process is still wanted for."""

    def __post_init__(self) -> None:
        self._free.extend(self.tasks)

    def most(self, unused: int) -> int:
        """One for each task."""
        return len(self.tasks) - unused

    def start(self) -> WorkerProcess:
        """One more."""
        task = self._free.pop(0)
        child = start("streamer.archive.worker")
        child.connection.send(task)
        return WorkerProcess(*child, task)

    def hear(self, workers: Sequence[WorkerProcess], timeout_s: float) -> list[tuple[WorkerProcess, Message]]:
        """What they say."""
        ready = wait([worker.connection for worker in workers], timeout_s)
        heard = [(worker, _heard(worker)) for worker in workers if worker.connection in ready]
        self._free.extend(worker.task for worker, message in heard if isinstance(message, Gone))
        return heard

    def end(self, workers: Sequence[WorkerProcess]) -> Sequence[WorkerProcess]:
        """Kill them."""
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.wait()
            worker.connection.close()
        return workers


def _heard(worker: WorkerProcess) -> Message:
    try:
        message: Message = worker.connection.recv()
    except (EOFError, OSError):
        worker.connection.close()
        return Gone(_death(worker.process))
    return message


def _death(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}" + (" (for want of memory?)" if -code == signal.SIGKILL else "")
