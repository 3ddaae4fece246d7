"""How far a run has come: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from streamer.detectors.preparing import FIRST_LINE_S, Reminder
from streamer.stats import Stats

_REDRAW_S = 0.1
_SAMPLE_S = 0.5
_WINDOW = 20
_LINE_S = 5.0
_SHORTEST_LINE_S = 1.0
_LINE_SHARE = 0.1


class Progress:
    """Shows frames done, frames per second, time left and what the detector takes; a context manager.

    On a terminal it redraws one line, at most ten times a second and only from :meth:`update`: it has no thread of its own,
    and before the first frame it says what is waited for, if anything takes a second.
    Elsewhere it prints a line every 5 s, and for each tenth of the frames but not twice a second.
    """

    def __init__(self, console: Console | None = None, *, title: str = "annotating") -> None:
        self._console = console or Console(stderr=True)
        self._title = title
        self._on_terminal = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._now = 0.0
        self._shown_at: float | None = None
        self._line_at: float | None = None
        self._line_share = 0.0
        self._waiting: Live | None = None
        self._reminder = Reminder()
        self._samples: deque[tuple[float, int]] = deque(maxlen=_WINDOW)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._end_waiting()
        if self._bar is not None:
            self._bar.refresh()
            self._bar.stop()
            self._bar = None

    def update(self, stats: Stats, total: int | None, now: float) -> None:
        """Show ``stats`` if it is time to.

        ``total``: frames that will come, None where nobody knows; ``now``: monotonic seconds.
        """
        self._now = now
        self._end_waiting()
        if self._on_terminal and self._bar is None:
            self._bar = self._started()
        done = stats.frames_out
        if total is not None and (total <= 0 or done > total):
            total = None  # the container was wrong
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE_S:
            self._samples.append((now, done))
        if self._bar is not None:
            last = done == total
            if self._shown_at is None or now - self._shown_at >= _REDRAW_S or last:
                self._shown_at = now
                self._bar.update(self._task, completed=done, total=total, figures=self._figures(stats, total, now))
                self._bar.refresh()
        elif not self._on_terminal and self._line_due(done, total, now):
            self._console.print(
                f"{self._title}: {self._figures(stats, total, now)}", highlight=False, markup=False, soft_wrap=True
            )

    def wait(self, what: str, seconds: float) -> None:
        """Show what is waited for before the first frame, and for how many ``seconds`` by now, from the first second on.

        On a terminal one line is redrawn; elsewhere there is a line after a second, and one every ten seconds.
        """
        due = self._reminder.due(seconds)
        if seconds < FIRST_LINE_S:
            return
        told = f"{what}, {seconds:.0f} s"
        if self._on_terminal:
            if self._waiting is None:
                self._waiting = Live(console=self._console, auto_refresh=False, transient=True)
                self._waiting.start()
            self._waiting.update(Text(told), refresh=True)
        elif due:
            self._console.print(told, highlight=False, markup=False, soft_wrap=True)

    def _end_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None

    def _started(self) -> Bar:
        bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            auto_refresh=False,  # its refreshing thread would draw between our frames and outlive a failure
            get_time=lambda: self._now,
            expand=True,
        )
        self._task = bar.add_task(self._title, total=None, figures="")
        bar.start()
        return bar

    def _line_due(self, done: int, total: int | None, now: float) -> bool:
        if self._line_at is None:
            self._line_at = now
        share = done / total if total else 0.0
        since = now - self._line_at
        due = since >= _LINE_S or (share >= self._line_share + _LINE_SHARE and since >= _SHORTEST_LINE_S)
        if due:
            self._line_at = now
            self._line_share = share
        return due

    def _figures(self, stats: Stats, total: int | None, now: float) -> str:
        done = stats.frames_out
        rate = self._rate(stats, now)
        parts = [f"{done} frames" if total is None else f"{done}/{total}", f"{rate:.{int(rate < 100)}f} frames/s"]
        if total is not None and rate > 0:
            parts.append(f"{clock((total - done) / rate)} left")
        inference = stats.latencies["inference"]
        if inference.count:
            parts.append(f"detector {inference.median_s * 1000:.0f} ms")
        return " · ".join(parts)

    def _rate(self, stats: Stats, now: float) -> float:
        """Frames per second over the last ten seconds or so, so that the time left follows what happens now."""
        then, before = self._samples[0] if len(self._samples) > 1 else (stats.started_at, 0)
        return (stats.frames_out - before) / (now - then) if now > then else 0.0


class ReadingProgress:
    """Shows how much of a file was worked through; a context manager.

    On a terminal a bar that goes at the end, elsewhere a line every 5 s: nothing of what takes less.
    """

    def __init__(self, title: str, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._on_terminal = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._shown_at = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, share: float) -> None:
        """Show ``share``, 0..1, if it is time to."""
        now = self._clock()
        if now - self._shown_at < (_REDRAW_S if self._on_terminal else _LINE_S):
            return
        self._shown_at = now
        if not self._on_terminal:
            self._console.print(f"{self._title}: {share:.0%}", highlight=False, markup=False, soft_wrap=True)
            return
        if self._bar is None:
            columns = TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.percentage:.0f}%")
            self._bar = Bar(
                *columns, console=self._console, auto_refresh=False, transient=True, get_time=self._clock, expand=True
            )
            self._task = self._bar.add_task(self._title, total=1.0)
            self._bar.start()
        self._bar.update(self._task, completed=share)
        self._bar.refresh()


def clock(seconds: float) -> str:
    """Seconds as ``0:07``, ``12:34`` or ``1:02:03``."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
