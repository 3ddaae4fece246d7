"""The process in which a camera of a fleet runs: ``python -m streamer.cluster.camera_process FD``.

Its parent holds the camera's lease. When that ends, however it does, the kernel ends this one.
"""

from __future__ import annotations

import logging
import os
import threading
from multiprocessing.connection import Connection

from streamer.cluster.fleet_messages import READY, STOP, Ended, Task
from streamer.errors import StreamerError, in_one_line
from streamer.live.run import FAILED, run_cameras
from streamer.live.supervisor import Cameras
from streamer.redact import redact, remember_secret
from streamer.runtime.child import connection_to_parent, die_with_parent
from streamer.runtime.log import set_up
from streamer.runtime.standard_streams import redact_stderr

log = logging.getLogger(__name__)

_STATUS_S = 1.0


class _Running:
    """Hands the cameras' status to the parent, and its word to the cameras."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._over = threading.Event()
        self._stopping = threading.Event()
        self._telling: threading.Thread | None = None
        self.cameras: Cameras | None = None

    def begin(self, cameras: Cameras) -> None:
        """As ``on_running``."""
        self.cameras = cameras
        self._telling = threading.Thread(target=self._tell, args=(cameras,), name="status", daemon=True)
        self._telling.start()
        if self._stopping.is_set():
            cameras.stop()

    def listen(self) -> None:
        """Until the parent is gone: for a thread."""
        try:
            while self._connection.recv() == STOP:
                self._stopping.set()
                if self.cameras is not None:
                    self.cameras.stop()
        except (EOFError, OSError):
            os._exit(1)

    def end(self) -> None:
        """Tell no more."""
        self._over.set()
        if self._telling is not None:
            self._telling.join()

    def _tell(self, cameras: Cameras) -> None:
        while not self._over.wait(_STATUS_S):
            (status,) = cameras.statuses()
            self._connection.send(status)


def _run(task: Task, running: _Running) -> Ended:
    try:
        code = run_cameras({task.name: task.camera}, task.process, on_running=running.begin)
    except StreamerError as error:
        return Ended(FAILED, redact(str(error)), begun=running.cameras is not None)
    except Exception as error:
        log.exception("%s: ended by an unforeseen error", task.name)
        return Ended(FAILED, redact(in_one_line(error)), begun=running.cameras is not None)
    finally:
        running.end()
    assert running.cameras is not None
    failure = running.cameras.failures.get(task.name)
    (status,) = running.cameras.statuses()
    return Ended(code, "" if failure is None else redact(in_one_line(failure)), status)


def main() -> None:
    """Entry point of the process; its argument is the descriptor of the connection."""
    connection = connection_to_parent()
    die_with_parent()
    # Only then does the parent send the task: if it is no more, there is none.
    connection.send(READY)
    task: Task = connection.recv()
    for secret in task.secrets:
        remember_secret(secret)
    redact_stderr()
    set_up(task.process.log_format, level=logging.WARNING if task.process.quiet else logging.INFO)
    running = _Running(connection)
    threading.Thread(target=running.listen, name="parent", daemon=True).start()
    connection.send(_run(task, running))
    # A detector may be in a call that does not end.
    os._exit(0)


if __name__ == "__main__":
    main()
