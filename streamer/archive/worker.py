"""A process that does a task for one recording after the other: ``python -m streamer.archive.worker FD``.

It is a process, and not a thread, since a detector or a decoder that crashes, or takes all memory, must cost one recording and
not all. It ends with the process that started it, however that one ends: a connection between both tells it.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from streamer.archive.messages import Message, Ready, Unusable
from streamer.archive.task import Task, Work
from streamer.errors import StreamerError
from streamer.redact import redact
from streamer.runtime.child import connection_to_parent, received


def unusable(error: StreamerError) -> Unusable:
    """What is said of a detector that cannot be used, without credentials."""
    return Unusable(type(error)(redact(error.message), hint=redact(error.hint)))


def work(connection: Connection, task: Task[Any], jobs: SimpleQueue[Work[Any]]) -> None:
    """Load what the task needs, then do what comes, until the process is killed."""

    def tell(message: Message) -> None:
        with suppress(OSError):  # who started this is gone: the connection ends this process, too
            connection.send(message)

    try:
        doer = task.doer()
    except StreamerError as error:
        tell(unusable(error))
        return
    tell(Ready())
    while True:
        tell(doer.work(jobs.get(), tell))


def main() -> None:
    """Entry point of the process; its argument is the descriptor of the connection."""
    connection = connection_to_parent()
    # From here on, and not once all is loaded, which may take a minute, the end of the connection ends this process.
    objects = received(connection)
    # annotate_with would take the signals in the main thread.
    thread = threading.Thread(target=work, args=(connection, objects.get(), objects), name="worker")
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
