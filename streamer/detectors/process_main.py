"""A process that holds one detector for another process: ``python -m streamer.detectors.process_main FD``."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from streamer.detectors.from_settings import load
from streamer.detectors.process import Loaded, Said
from streamer.errors import DetectorError, StreamerError, in_one_line
from streamer.redact import redact
from streamer.runtime.child import connection_to_parent, received
from streamer.stages import DetectsWanted, Remembers


class _ToParent(logging.Handler):
    """Hands on what is logged: how that is written is the other process's business."""

    def __init__(self, send: Callable[[object], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        # Nobody may be there any more, and then nobody reads it.
        try:
            self._send(Said(record.name, record.levelno, record.getMessage()))
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """The process ends soon, see ``received``."""


def main() -> None:
    """Load the detector, then call it as it is asked to, until nobody is at the other end."""
    connection = connection_to_parent()
    send = _one_at_a_time(connection)
    logging.getLogger("streamer").addHandler(_ToParent(send))
    logging.getLogger("streamer").setLevel(logging.INFO)
    asked = received(connection)
    settings, least_score, threads, device = asked.get()
    try:
        detector = load(settings, least_score, threads=threads, device=device)
        answer: object = Loaded(
            detector.name,
            dict(detector.labels),
            detector.input_size,
            isinstance(detector, DetectsWanted),
            isinstance(detector, Remembers),
            str(getattr(detector, "device", "")),
            bool(getattr(detector, "slow", False)),
        )
    except Exception as error:  # noqa: BLE001  # it belongs to the other side
        send(_sendable(error))
        return
    send(answer)
    while True:
        method, arguments, options = asked.get()
        try:
            answer = getattr(detector, method)(*arguments, **options)
        except Exception as error:  # noqa: BLE001  # it belongs to the other side
            answer = _sendable(error)
        send(answer)


def _one_at_a_time(connection: Connection) -> Callable[[object], None]:
    """What sends an object whole: threads of a model may log while an answer is on its way."""
    lock = threading.Lock()

    def send(what: object) -> None:
        with lock:
            connection.send(what)

    return send


def _sendable(error: Exception) -> StreamerError:
    """The error as the other side should raise it; not every one can be sent."""
    if isinstance(error, StreamerError):
        return type(error)(redact(error.message), hint=redact(error.hint))
    return DetectorError(redact(in_one_line(error)))


if __name__ == "__main__":
    main()
