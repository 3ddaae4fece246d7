"""The processes that work on an archive: what each works on, and what becomes of it when one dies."""

from __future__ import annotations

import signal
import subprocess
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

from streamer.archive.messages import Came, Failed, Finished, Ready, Unusable, Work
from streamer.config.annotate import AnnotateConfig
from streamer.errors import DetectorUnavailable
from streamer.runtime.child import start

_GLANCE_S = 0.25
_TRIES = 2
"""So many processes may die at a recording before it is given up: the first may have died of another's memory."""


@dataclass(slots=True, eq=False)
class Job:
    """One recording to be annotated."""

    name: str
    work: Work
    tries: int = 0
    frames: int = 0
    """Frames done by now."""
    of: int | None = None
    """Frames that it has, as far as that is known."""


@dataclass(slots=True, eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    ready: bool = False
    job: Job | None = None


@dataclass(slots=True)
class Pool:
    """Hands ``jobs`` to processes, one at a time each, in their order.

    All is called in the thread that calls :meth:`run`.
    """

    settings: AnnotateConfig
    """Of the archive: the detector is loaded by them."""
    workers: int
    jobs: deque[Job]
    on_begin: Callable[[Job], object]
    """Is called before a recording is handed to a process."""
    on_end: Callable[[Job, Finished | Failed], object]
    on_change: Callable[[], object]
    """Is called several times a second."""
    clean_up: Callable[[Job], object]
    """Is called when a process has died at a recording."""
    stopped: bool = False
    """Whether :meth:`stop` was called before all had ended."""
    _at_work: list[_Worker] = field(default_factory=list)
    _died_loading: int = 0

    def run(self) -> None:
        """Return when all jobs have ended. Raises the ``StreamerError`` of a detector that cannot be used.

        However it ends, no process is left, and recordings that were not finished are cleaned up after.
        """
        try:
            while not self.stopped and (self.jobs or self.under_way()):
                while len(self._at_work) < min(self.workers, len(self.jobs) + len(self.under_way())):
                    self._at_work.append(_started(self.settings))
                for worker in self._at_work:
                    self._hand_over(worker)
                ready = wait([worker.connection for worker in self._at_work], _GLANCE_S)
                for worker in [each for each in self._at_work if each.connection in ready]:
                    self._hear(worker)
                self.on_change()
        finally:
            self._end()

    def stop(self) -> None:
        """From any thread: make :meth:`run` return soon, with recordings unfinished."""
        self.stopped = True

    def under_way(self) -> list[Job]:
        """What is being worked on."""
        return [worker.job for worker in self._at_work if worker.job is not None]

    def _hand_over(self, worker: _Worker) -> None:
        if worker.ready and worker.job is None and self.jobs:
            worker.job = self.jobs.popleft()
            worker.job.tries += 1
            worker.job.frames = 0
            self.on_begin(worker.job)
            try:
                worker.connection.send(worker.job.work)
            except OSError:
                self._buried(worker)

    def _hear(self, worker: _Worker) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._buried(worker)
            return
        if isinstance(message, Ready):
            worker.ready = True
            self._died_loading = 0
        elif isinstance(message, Unusable):
            raise message.error
        elif worker.job is not None and isinstance(message, Came):
            worker.job.frames, worker.job.of = message.frames, message.of
        elif worker.job is not None:
            job, worker.job = worker.job, None
            self.on_end(job, message)

    def _buried(self, worker: _Worker) -> None:
        """A process has died: its recording is tried once more, then given up."""
        self._at_work.remove(worker)
        worker.connection.close()
        how = _death(worker.process)
        job = worker.job
        if job is None:
            self._died_loading += not worker.ready
            if self._died_loading >= _TRIES:
                raise DetectorUnavailable(f"the process that loads the detector {how}", hint="see above, or free memory")
            return
        self.clean_up(job)
        if job.tries < _TRIES:
            self.jobs.appendleft(job)
        else:
            self.on_end(job, Failed(f"the process that worked on it {how}, twice"))

    def _end(self) -> None:
        # Killed, not asked: a detector may be in a call that takes half a minute. What is finished is on the disk.
        for worker in self._at_work:
            worker.process.kill()
        for worker in self._at_work:
            worker.process.wait()
            worker.connection.close()
            if worker.job is not None:
                self.clean_up(worker.job)


def _started(settings: AnnotateConfig) -> _Worker:
    child = start("streamer.archive.worker")
    child.connection.send(settings)
    return _Worker(*child)


def _death(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}" + (" (for want of memory?)" if -code == signal.SIGKILL else "")
