"""The picture as a live stream to a server or a receiver: RTSP, RTMP or MPEG-TS over UDP."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from streamer.camera_status import OutputStatus
from streamer.frame import StreamInfo
from streamer.stages import Annotated


class Publish:
    """Implements ``stages.Sink``; to be used within :class:`~streamer.sinks.queued.Queued`. Heals itself for ever.

    ``url``: ``rtsp://``, ``rtsps://``, ``rtmp://``, ``rtmps://`` or ``udp://``. Raises ``ConfigError`` for another one.
    """

    def __init__(
        self,
        url: str,
        info: StreamInfo,
        *,
        transport: str = "tcp",
        key_interval_s: float = 2.0,
        open_timeout_s: float = 5.0,
        write_timeout_s: float = 5.0,
        reconnect_initial_delay_s: float = 0.5,
        reconnect_max_delay_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        raise NotImplementedError

    def write(self, item: Annotated) -> None:
        """Send the next picture, or do what brings the connection about."""

    def idle(self, text: str) -> None:
        """No frame comes: send the last picture dimmed, with ``text``; call it a few times a second."""

    def status(self) -> OutputStatus:
        """Any thread: how it is doing."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Any thread: let a waiting ``write``, and all later ones, return at once."""

    def finish(self) -> None:
        """Say goodbye to the other side."""

    def abandon(self) -> None:
        """Cut the connection."""
