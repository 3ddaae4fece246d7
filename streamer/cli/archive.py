"""What ``annotate`` and ``export`` show of many recordings: bars for all and each under way, and what went wrong at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streamer.archive.run import ArchiveStatus, work_on_archive
from streamer.archive.task import Task
from streamer.runtime.signals import exit_code

_LINE_S = 5.0
_BAR_WIDTH = 24
_MOST_OF_A_NAME = 60


class ArchiveProgress:
    """Shows how far an archive has come: on a terminal all and each, elsewhere a line every 5 s. A context manager."""

    def __init__(
        self,
        console: Console | None = None,
        *,
        doing: str = "annotating",
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._doing = doing
        self._console = console or Console(stderr=True)
        self._quiet = quiet
        self._clock = clock
        self._on_terminal = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live: Live | None = None
        self._line_at = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, status: ArchiveStatus) -> None:
        """Show ``status`` if it is time to."""
        if self._quiet:
            return
        if self._on_terminal:
            if self._live is None:
                self._live = Live(console=self._console, auto_refresh=False, transient=True)
                self._live.start()
            self._live.update(_bars(status), refresh=True)
        elif self._clock() - self._line_at >= _LINE_S:
            self._line_at = self._clock()
            each = ", ".join(f"{printable(job.name)} {job.frames}/{job.of or '?'}" for job in status.under_way)
            self._console.print(
                f"{self._doing}: {_counts(status)}" + (f" · {each}" if each else ""),
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


def do_all(task: Task[Any]) -> int:
    """Do a task for an archive, say how it went, and return the exit code: 1 where something could not be done."""
    with ArchiveProgress(doing=task.doing, quiet=task.settings.quiet) as progress:
        if task.settings.ray is None:
            status = work_on_archive(task, progress.update)
        else:
            from streamer.cluster.workforce import work_on_cluster

            status = work_on_cluster(task, progress.update)
    print_archive(status, task)
    if status.interrupted:
        return exit_code(complete=False)
    return 1 if status.failed else 0


def print_archive(status: ArchiveStatus, task: Task[Any], console: Console | None = None) -> None:
    """What became of an archive, on stderr unless told otherwise; ``quiet`` shows only what went wrong."""
    console = console or Console(stderr=True)
    if not task.settings.quiet:
        console.print(f"{_counts(status)} · {status.frames} frames", highlight=False, markup=False, soft_wrap=True)
        if status.left_out:
            told = ", ".join(f"{count} {kind}" for kind, count in sorted(status.left_out.items()))
            console.print(f"left out: {told}", highlight=False, markup=False, soft_wrap=True)
        for name, note in status.notes:
            console.print(f"{printable(name)}: {note}", highlight=False, markup=False, soft_wrap=True)
    if status.failed:
        table = Table(box=None, header_style="bold red")
        table.add_column(task.not_done, overflow="fold")
        table.add_column("because", overflow="fold")
        for name, reason in sorted(status.failed):
            table.add_row(escape(printable(name)), escape(printable(reason)))
        console.print(table, highlight=False)
    if status.interrupted:
        console.print(
            f"interrupted: {status.to_do} recordings are left; the same command with --resume goes on",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def printable(name: str) -> str:
    """A name that may hold line ends, control characters, or bytes that are not UTF-8, on one line."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name)


def _counts(status: ArchiveStatus) -> str:
    parts = [f"{status.done + status.skipped} of {status.total} recordings done"]
    if status.skipped:
        parts.append(f"{status.skipped} of them before")
    if status.failed:
        parts.append(f"{len(status.failed)} failed")
    return ", ".join(parts)


def _bars(status: ArchiveStatus) -> Group:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    ended = status.total - status.to_do
    table.add_row(ProgressBar(total=max(1, status.total), completed=ended, width=_BAR_WIDTH), Text(_counts(status)))
    for job in status.under_way:
        name = printable(job.name)
        shown = name if len(name) <= _MOST_OF_A_NAME else f"…{name[-_MOST_OF_A_NAME:]}"
        table.add_row(
            ProgressBar(total=job.of or 1, completed=min(job.frames, job.of) if job.of else 0, width=_BAR_WIDTH),
            Text(f"{shown}  {job.frames}/{job.of or '?'}"),
        )
    return Group(table)
