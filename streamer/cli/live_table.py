"""What a person sees of the cameras while they run: a small table on a terminal, else a line a minute."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streamer.live.status import CameraStatus
from streamer.runtime.log import FoldingHandler
from streamer.stages import State

log = logging.getLogger(__name__)

_COLOURS = {
    State.STARTING: "yellow",
    State.RUNNING: "green",
    State.RECONNECTING: "yellow",
    State.ENDED: "dim",
    State.FAILED: "red",
}
_LINE_INTERVAL_S = 60.0


class LiveTable:
    """Entered while cameras run; :meth:`update` it about once a second, from one thread.

    On a terminal it shows a table, and log lines appear above it; elsewhere it logs a line for each camera every minute.
    ``quiet`` shows nothing. No thread of its own, and no terminal it cannot give back.
    """

    def __init__(
        self, *, quiet: bool = False, console: Console | None = None, log_handler: FoldingHandler | None = None
    ) -> None:
        console = console or Console(stderr=True)
        self._live = (
            Live(console=console, auto_refresh=False, redirect_stdout=False, transient=True)
            if console.is_terminal and not quiet
            else None
        )
        self._quiet = quiet
        self._log_handler = log_handler
        self._last_line: float | None = None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
            if self._log_handler is not None:
                # While the table stands, rich has put itself in the place of stderr and prints above the table.
                self._log_handler.setStream(sys.stderr)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            with suppress(OSError):  # the terminal has gone
                self._live.stop()
            if self._log_handler is not None:
                self._log_handler.setStream(sys.stderr)

    def update(self, cameras: Sequence[CameraStatus], now: float) -> None:
        """Show how the cameras are at ``now`` (monotonic seconds)."""
        if self._log_handler is not None:
            self._log_handler.tell()
        if self._live is not None:
            self._live.update(table(cameras), refresh=True)
        elif not self._quiet:
            if self._last_line is None:
                self._last_line = now
            if now - self._last_line >= _LINE_INTERVAL_S:
                self._last_line = now
                for camera in cameras:
                    log.info("%s", line(camera), extra={"source": camera.name, "state": camera.state})


def line(camera: CameraStatus) -> str:
    """One camera in one line."""
    parts = [
        f"{camera.name}: {_state(camera)}",
        f"{camera.camera_fps:.1f} fps in",
        f"{camera.process_fps:.1f} out",
        f"{camera.detection_fps:.1f} detected",
        f"latency {_latency(camera)}",
        f"dropped {sum(camera.dropped.values())}",
        f"reconnects {camera.reconnects}",
    ]
    reasons = camera.problems if camera.state is State.RUNNING else filter(None, [camera.reason])
    return "; ".join((", ".join(parts), *reasons))


def table(cameras: Sequence[CameraStatus]) -> Table:
    """All cameras, one row each."""
    shown = Table(box=None, pad_edge=False, header_style="dim")
    shown.add_column("source", overflow="ellipsis", no_wrap=True, max_width=28)
    shown.add_column("state", no_wrap=True)
    for title in ("fps in", "out", "detected", "latency", "dropped", "reconnects"):
        shown.add_column(title, justify="right", no_wrap=True)
    shown.add_column("outputs")
    for camera in cameras:
        shown.add_row(
            Text(camera.name),
            Text(_state(camera), style=_colour(camera)),
            f"{camera.camera_fps:.1f}",
            f"{camera.process_fps:.1f}",
            f"{camera.detection_fps:.1f}",
            _latency(camera),
            str(sum(camera.dropped.values())),
            str(camera.reconnects),
            Text.assemble(
                *(
                    part
                    for output in camera.outputs
                    for part in ((output.name, _COLOURS[output.state]), (f" {_size(output.bytes)} ", "dim"))
                )
            ),
        )
    return shown


def _state(camera: CameraStatus) -> str:
    if camera.stuck:
        return f"stuck in {camera.stuck}"
    if camera.state is not State.RUNNING:
        return f"{camera.state}, {camera.state_s:.0f} s"
    if camera.awaiting:
        return camera.awaiting
    return "running" if camera.healthy else "degraded"


def _colour(camera: CameraStatus) -> str:
    if camera.stuck:
        return "red"
    return "yellow" if camera.state is State.RUNNING and not camera.healthy else _COLOURS[camera.state]


def _latency(camera: CameraStatus) -> str:
    latency = camera.latencies.get("e2e")
    return f"{1e3 * latency.median_s:.0f} ms" if latency is not None and latency.count else "-"


def _size(count: float) -> str:
    if not count:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
