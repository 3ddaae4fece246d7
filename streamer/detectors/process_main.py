"""A process that holds one detector for another process: ``python -m streamer.detectors.process_main FD``."""

from __future__ import annotations

from streamer.detectors.from_settings import load
from streamer.detectors.process import Loaded
from streamer.errors import DetectorError, StreamerError, in_one_line
from streamer.redact import redact
from streamer.runtime.child import connection_to_parent
from streamer.stages import DetectsWanted, Remembers


def main() -> None:
    """Load the detector, then call it as it is asked to, until nobody is at the other end."""
    connection = connection_to_parent()
    try:
        settings, least_score, threads = connection.recv()
        try:
            detector = load(settings, least_score, threads=threads)
            answer: object = Loaded(
                detector.name,
                dict(detector.labels),
                detector.input_size,
                isinstance(detector, DetectsWanted),
                isinstance(detector, Remembers),
            )
        except Exception as error:  # noqa: BLE001  # it belongs to the other side
            connection.send(_sendable(error))
            return
        connection.send(answer)
        while True:
            method, arguments, options = connection.recv()
            try:
                answer = getattr(detector, method)(*arguments, **options)
            except Exception as error:  # noqa: BLE001  # it belongs to the other side
                answer = _sendable(error)
            connection.send(answer)
    except (EOFError, OSError):
        return


def _sendable(error: Exception) -> StreamerError:
    """The error as the other side should raise it; not every one can be sent."""
    if isinstance(error, StreamerError):
        return type(error)(redact(error.message), hint=redact(error.hint))
    return DetectorError(redact(in_one_line(error)))


if __name__ == "__main__":
    main()
