"""Workers of an archive that are processes of this machine."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from streamer.archive.messages import Gone, Message, Work
from streamer.config.annotate import AnnotateConfig
from streamer.runtime.child import start


@dataclass(frozen=True, slots=True, eq=False)
class WorkerProcess:
    """Implements ``pool.Worker``."""

    process: subprocess.Popen[bytes]
    connection: Connection

    def send(self, work: Work) -> None:
        """Hand over a recording."""
        with suppress(OSError):  # it has died, which the connection says, too
            self.connection.send(work)


@dataclass(frozen=True, slots=True)
class Processes:
    """Implements ``pool.Workforce``: ``count`` processes, each with the detector of ``settings``."""

    settings: AnnotateConfig
    count: int

    def most(self) -> int:
        """How many there can be."""
        return self.count

    def start(self) -> WorkerProcess:
        """One more."""
        child = start("streamer.archive.worker")
        child.connection.send(self.settings)
        return WorkerProcess(*child)

    def hear(self, workers: Sequence[WorkerProcess], timeout_s: float) -> list[tuple[WorkerProcess, Message]]:
        """What they say."""
        ready = wait([worker.connection for worker in workers], timeout_s)
        return [(worker, _heard(worker)) for worker in workers if worker.connection in ready]

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
