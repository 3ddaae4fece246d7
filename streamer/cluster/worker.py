"""What works on an archive on a machine of the cluster: a Ray actor around the worker of archives."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from streamer.archive.inputs import Recording
from streamer.archive.messages import Came, Finished, Message, NotHere, Ready, Unusable
from streamer.archive.task import Doer, Task, Work
from streamer.archive.worker import unusable
from streamer.cluster.shared_folders import wrong_with
from streamer.errors import ConfigError, StreamerError
from streamer.object_storage.addresses import address_of
from streamer.redact import redact

_SHARED = "input and OUTPUT must be on storage that all machines have at the same path, and may write to"


class ClusterWorker:
    """Loads what the task needs, then does one recording after the other.

    Each method is a stream of what ``archive`` is told. What it is given is pickled by the driver, whose version is the same.
    """

    def __init__(self, marks: Sequence[Path]) -> None:
        """``marks`` are files of this run in the folders of results, by which this machine shows that it has the same ones."""
        self._marks = marks
        self._doer: Doer | None = None

    def load(self, task: bytes) -> Iterator[Message]:
        """``Ready`` or ``Unusable``."""
        yield from _told(lambda _: self._load(task))

    def work(self, work: bytes) -> Iterator[Message]:
        """``Came`` several times, then ``Finished``, ``Failed``, ``NotHere`` or ``Unusable``."""
        yield from _told(lambda tell: self._work(pickle.loads(work), tell))  # of the driver, as all of this

    def _load(self, pickled: bytes) -> Ready | Unusable:
        if (apart := self._apart()) is not None:
            return apart
        task: Task[Any] = pickle.loads(pickled)  # as above
        try:
            self._doer = task.doer()
        except StreamerError as error:
            plain = unusable(error).error
            # Others may have what is missing here.
            return Unusable(type(plain)(f"{_here()}: {plain.message}", hint=plain.hint), of_machine=True)
        return Ready()

    def _work(self, work: Work[Any], tell: Callable[[Came], object]) -> Message:
        assert self._doer is not None
        # Before and after: storage may be lost, and what is then in its place is a folder of this machine.
        if (apart := self._apart()) is not None:
            return apart
        if (other := _other_input(work)) is not None:
            return other
        answer = self._doer.work(work, tell)
        if (apart := self._apart()) is not None:
            return apart
        return replace(answer, machine=_here()) if isinstance(answer, Finished) else answer

    def _apart(self) -> Unusable | None:
        wrong = wrong_with(self._marks)
        return None if wrong is None else Unusable(ConfigError(f"{_here()} {wrong}", hint=_SHARED), of_machine=True)


def _other_input(work: Work[Any]) -> NotHere | None:
    """That the driver has something else at the path of the recording. What it cannot read itself is tried."""
    path = work.task.settings.input
    known = work.about.get("content")
    if known is None or address_of(path) is not None or work.task.content(Recording(path, path)) == known:
        return None
    told = "does not see" if not Path(path).exists() else "sees another recording, or one that has changed since, at"
    return NotHere(_here(), f"{_here()} {told} {path}; {_SHARED}")


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
