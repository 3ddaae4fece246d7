"""The table on a terminal and the line a minute elsewhere."""

from __future__ import annotations

import io
import logging
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from streamer.cli.live_table import LiveTable, line, table
from streamer.live.status import CameraStatus
from streamer.runtime.log import set_up
from streamer.stages import OutputStatus, State
from streamer.stats import Stats
from tests.runtime.test_log import restore_logging  # noqa: F401  # a fixture


def gate() -> CameraStatus:
    stats = Stats()
    stats.latencies["e2e"].add(0.04)
    return CameraStatus(
        name="gate",
        source="rtsp://u:***@192.0.2.7/",
        state=State.RUNNING,
        state_s=70.0,
        since_utc_s=0.0,
        camera_fps=25.0,
        process_fps=24.9,
        detection_fps=7.5,
        dropped={"queue_full": 2, "stale": 1},
        reconnects=4,
        latencies=stats.latencies,
        outputs=(
            OutputStatus(name="record", bytes=12_345_678),
            OutputStatus(name="rtsp://h/out", state=State.RECONNECTING, bytes=0),
        ),
    )


def test_a_line_says_what_matters() -> None:
    assert line(gate()) == (
        "gate: degraded, 25.0 fps in, 24.9 out, 7.5 detected, latency 40 ms, dropped 3, reconnects 4; "
        "rtsp://h/out: reconnecting"
    )
    assert line(replace(gate(), outputs=())).startswith("gate: running, ")
    away = replace(gate(), state=State.RECONNECTING, latencies={}, outputs=(), reason="refused")
    assert line(away).startswith("gate: reconnecting, 70 s, ")
    assert "latency -" in line(away)
    assert line(away).endswith("; refused")
    assert line(replace(away, stuck="inference")).startswith("gate: stuck in inference, ")


def test_the_table_has_a_row_for_each_camera() -> None:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(table([gate(), replace(gate(), name="[door]", state=State.FAILED)]))
    assert isinstance(console.file, io.StringIO)
    header, first, second = console.file.getvalue().splitlines()
    assert header.split()[:3] == ["source", "state", "fps"]
    assert "gate" in first
    assert "40 ms" in first
    assert "12.3 MB" in first
    assert "[door]" in second, "a name is no markup"
    assert "failed, 70 s" in second


def test_without_a_terminal_there_is_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with LiveTable(console=Console(file=io.StringIO(), force_terminal=False)) as shown:
        for second in range(181):
            shown.update([gate()], float(second))
    assert [record.getMessage() for record in caplog.records] == [line(gate())] * 3


def test_quiet_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    console = Console(file=io.StringIO(), force_terminal=True)
    with LiveTable(quiet=True, console=console) as shown:
        for second in range(181):
            shown.update([gate()], float(second))
    assert not caplog.records
    assert isinstance(console.file, io.StringIO)
    assert not console.file.getvalue()


def test_log_lines_stand_above_the_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = set_up()
    console = Console(stderr=True, force_terminal=True, width=120)
    with LiveTable(console=console, log_handler=handler) as shown:
        shown.update([gate()], 0.0)
        logging.getLogger("streamer.x").warning("door: away")
        shown.update([gate()], 1.0)
    logging.getLogger("streamer.x").warning("afterwards")
    text = terminal.getvalue()
    assert sys.stderr is terminal
    assert text.count("door: away") == 1
    assert text.index("door: away") < text.rindex("25.0")
    assert text.rindex("afterwards") > text.rindex("25.0")


def test_a_terminal_that_has_gone_is_no_error_at_the_end() -> None:
    class Gone(io.StringIO):
        gone = False

        def write(self, text: str) -> int:
            if self.gone:
                raise OSError("gone")
            return super().write(text)

    terminal = Gone()
    with LiveTable(console=Console(file=terminal, force_terminal=True)) as shown:
        shown.update([gate()], 0.0)
        terminal.gone = True
