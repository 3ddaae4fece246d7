"""A window that shows the newest picture."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from streamer.camera_status import OutputStatus
from streamer.frame import StreamInfo
from streamer.stages import Annotated


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Window:
    """Implements ``stages.Sink``; any thread writes, without ever waiting, and the main thread shows.

    q, Esc and the close button end it; f full screen, space freezes, s saves a snapshot, h shows the keys, d the figures.
    ``figures`` gives the lines of the overlay. Raises ``OutputRefused`` at construction when nothing can be shown here.
    """

    name = "window"

    def __init__(
        self,
        info: StreamInfo,
        *,
        title: str | None = None,
        figures: Callable[[], Sequence[str]] | None = None,
        snapshots: Path = Path(),
        utc: Callable[[], datetime] = _utc_now,
        clock: Callable[[], float] = time.monotonic,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """Whether the person, or the line, has ended it."""
        raise NotImplementedError

    def write(self, item: Annotated) -> None:
        """Any thread: this is the newest picture."""

    def idle(self, text: str) -> None:
        """Any thread: no frame comes; show the last picture dimmed, with ``text``."""

    def status(self) -> OutputStatus:
        """Any thread: how it is doing."""
        raise NotImplementedError

    def finish(self) -> None:
        """Any thread: nothing more will come; the main thread closes the window."""

    def abandon(self) -> None:
        """The same."""

    def show_once(self, wait_s: float = 0.02) -> bool:
        """Main thread: wait for a new picture, show it, obey the keys. False once it is closed."""
        raise NotImplementedError

    def loop(self, until: Callable[[], bool]) -> None:
        """Main thread: show until the window is closed or ``until()``; closes the window."""

    def close(self) -> None:
        """Main thread: take the window away. May be called twice."""


def show_all(windows: Sequence[Window], until: Callable[[], bool]) -> None:
    """Main thread: show several windows until all are closed, q is pressed in one, or ``until()``; closes them."""
