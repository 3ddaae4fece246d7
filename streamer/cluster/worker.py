"""What works on an archive on a machine of the cluster: a Ray actor around the worker of archives."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from streamer._version import __version__
from streamer.archive.messages import Came, Message, Ready, Unusable
from streamer.archive.task import Doer, Task, Work
from streamer.archive.worker import unusable
from streamer.errors import ConfigError, StreamerError
from streamer.redact import redact


class ClusterWorker:
    """Loads what the task needs, then does one recording after the other.

    Each method is a stream of what ``archive`` is told."""

    def __init__(self, task: Task[Any], manifest: Path | None, version: str) -> None:
        """``manifest`` is the archive's, by which this machine shows that it sees the results, or None where they go to object
        storage; ``version`` the driver's."""
        self._task = task
        self._manifest = manifest
        self._version = version
        self._doer: Doer | None = None

    def load(self) -> Iterator[Message]:
        """``Ready`` or ``Unusable``."""
        yield from _told(self._load)

    def work(self, work: Work[Any]) -> Iterator[Message]:
        """``Came`` several times, then ``Finished`` or ``Failed``."""
        doer = self._doer
        assert doer is not None
        yield from _told(lambda tell: doer.work(work, tell))

    def _load(self, _: Callable[[Came], object]) -> Ready | Unusable:
        if self._version != __version__:
            told = f"{_here()} has streamer {__version__}, this is {self._version}"
            return Unusable(ConfigError(told, hint="install the same version everywhere"), of_machine=True)
        if self._manifest is not None and not self._manifest.exists():
            told = f"{_here()} does not see {self._manifest.parent}"
            hint = "input and OUTPUT must be on storage that all machines have at the same path"
            return Unusable(ConfigError(told, hint=hint), of_machine=True)
        try:
            self._doer = self._task.doer()
        except StreamerError as error:
            return unusable(error)
        return Ready()


def _here() -> str:
    return f"the machine {os.uname().nodename}"


def _told(work: Callable[[Callable[[Came], object]], Message]) -> Iterator[Message]:
    """What ``work`` tells and at last returns. It has a thread of its own: in the main one it would take the signals.

    What it raises, such as that a detector which has failed cannot be loaded again, ends this process, as it ends one of a
    single machine: another worker takes the recording, and no later one fails for want of a detector.
    """
    messages: SimpleQueue[Message] = SimpleQueue()

    def run() -> None:
        try:
            messages.put(work(messages.put))
        except BaseException:  # noqa: BLE001  # whoever waits is told of the end of the process
            sys.stderr.write(redact(traceback.format_exc()))
            sys.stderr.flush()
            os._exit(1)

    threading.Thread(target=run, name="annotator", daemon=True).start()
    while True:
        message = messages.get()
        yield message
        if not isinstance(message, Came):
            return
