"""What a person sees of a run while it lasts; the clock is the tests' own."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from streamer.cli.progress import Progress, ReadingProgress, clock
from streamer.stats import Stats


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(file=written, force_terminal=terminal, width=100, color_system=None, _environ={"TERM": "xterm"}), written


def run(progress: Progress, frames: int, total: int | None, *, fps: float, inference_s: float = 0.02) -> None:
    """``frames`` frames at ``fps``, each reported."""
    stats = Stats(started_at=100.0)
    for done in range(1, frames + 1):
        stats.frames_out = done
        stats.latencies["inference"].add(inference_s)
        progress.update(stats, total, 100.0 + done / fps)


def test_lines_where_there_is_no_terminal() -> None:
    on, written = console(terminal=False)
    with Progress(on) as progress:
        run(progress, 1000, 1000, fps=50)
    lines = written.getvalue().splitlines()
    assert len(lines) == 9
    assert lines[4] == "annotating: 501/1000 · 50.0 frames/s · 0:10 left · detector 20 ms"
    assert "\x1b" not in written.getvalue()


def test_a_line_every_five_seconds_of_a_long_run() -> None:
    on, written = console(terminal=False)
    with Progress(on) as progress:
        run(progress, 200, 100_000, fps=5)
    assert len(written.getvalue().splitlines()) == 7


def test_no_more_than_a_line_a_second_of_a_short_run() -> None:
    on, written = console(terminal=False)
    with Progress(on) as progress:
        run(progress, 100, 100, fps=50)
    assert len(written.getvalue().splitlines()) == 1


@pytest.mark.parametrize("total", [None, 0, -1, 10])
def test_a_total_that_nobody_knows_or_that_was_wrong(total: int | None) -> None:
    on, written = console(terminal=False)
    with Progress(on) as progress:
        run(progress, 100, total, fps=10)
    assert written.getvalue().splitlines() == ["annotating: 51 frames · 10.0 frames/s · detector 20 ms"]


def test_the_rate_is_that_of_the_last_seconds() -> None:
    on, written = console(terminal=False)
    stats = Stats(started_at=0.0)
    with Progress(on) as progress:
        for tick in range(1, 101):
            stats.frames_out = tick if tick <= 50 else 50 + 10 * (tick - 50)
            progress.update(stats, 10_000, float(tick))
    assert "10.0 frames/s" in written.getvalue().splitlines()[-1]


def test_a_bar_on_a_terminal_without_a_thread() -> None:
    on, written = console(terminal=True)
    before = threading.active_count()
    with Progress(on) as progress:
        run(progress, 100, 100, fps=25)
        assert threading.active_count() == before
    shown = written.getvalue()
    assert "100/100 · 25.0 frames/s · 0:00 left · detector 20 ms" in shown
    assert "━" in shown
    assert shown.count("annotating") < 50, "at most ten times a second"


@pytest.mark.parametrize("width", [1, 20, 60, 80])
def test_a_narrow_terminal_keeps_to_one_line(width: int) -> None:
    written = io.StringIO()
    on = Console(file=written, force_terminal=True, width=width, color_system=None, _environ={"TERM": "xterm"})
    with Progress(on) as progress:
        run(progress, 200, 108_000, fps=20)
    assert written.getvalue().count("\n") == 1, "the one that ends the bar"


def test_a_bar_without_a_total() -> None:
    on, written = console(terminal=True)
    with Progress(on) as progress:
        run(progress, 30, None, fps=10)
    assert "29 frames · 10.0 frames/s · detector 20 ms" in written.getvalue()


def test_the_bar_goes_away_when_the_run_fails() -> None:
    def failing(on: Console) -> None:
        with Progress(on) as progress:
            run(progress, 5, 100, fps=10)
            raise ZeroDivisionError

    on, written = console(terminal=True)
    with pytest.raises(ZeroDivisionError):
        failing(on)
    assert written.getvalue().endswith("\x1b[?25h"), "the cursor is back"


def test_nothing_is_shown_before_the_first_frame() -> None:
    on, written = console(terminal=True)
    with pytest.raises(ZeroDivisionError), Progress(on):
        raise ZeroDivisionError
    assert written.getvalue() == ""


def test_before_anything_is_done() -> None:
    on, written = console(terminal=True)
    with Progress(on) as progress:
        progress.update(Stats(started_at=5.0), 100, 5.0)
    assert "0/100 · 0.0 frames/s" in written.getvalue()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0:00"), (7, "0:07"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03"), (36e4, "100:00:00")],
)
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_what_is_waited_for_before_the_first_frame_is_told_from_the_first_second_on() -> None:
    on, written = console(terminal=False)
    with Progress(on) as progress:
        for tenth in range(251):
            progress.wait("loading big (usually 20 s)", tenth / 10)
        for tenth in range(31):
            progress.wait("warming up big", tenth / 10)
        for tenth in range(10):
            progress.wait("warming up small", tenth / 10)
    assert written.getvalue().splitlines() == [
        "loading big (usually 20 s), 1 s",
        "loading big (usually 20 s), 11 s",
        "loading big (usually 20 s), 21 s",
        "warming up big, 1 s",
    ]


def test_on_a_terminal_the_waiting_is_one_line_that_goes() -> None:
    on, written = console(terminal=True)
    with Progress(on) as progress:
        progress.wait("loading [big]", 2.0)
        progress.wait("loading [big]", 3.0)
        run(progress, 5, 5, fps=50)
    assert "loading [big], 2 s" in written.getvalue()
    assert "loading [big], 3 s" in written.getvalue()
    assert "5/5" in written.getvalue().rpartition("loading")[2]


@pytest.mark.parametrize("terminal", [False, True])
def test_how_much_of_a_file_was_read(terminal: bool) -> None:
    on, written = console(terminal=terminal)
    now = [0.0]
    with ReadingProgress("comparing", on, clock=lambda: now[0]) as progress:
        for step in range(1, 101):
            now[0] = 0.12 * step
            progress.update(step / 100)
    if terminal:
        assert "comparing" in written.getvalue()
        assert "100%" in written.getvalue()
    else:
        assert written.getvalue().splitlines() == ["comparing: 42%", "comparing: 84%"]


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_of_a_file_that_is_read_at_once(terminal: bool) -> None:
    on, written = console(terminal=terminal)
    with ReadingProgress("comparing", on, clock=lambda: 0.0) as progress:
        progress.update(1.0)
    assert not written.getvalue()
