"""The table of the figures at the end of a run."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from streamer.cli.tables import print_summary
from streamer.stats import Stats
from streamer.summary import Summary
from tests.fakes import INFO, LABELS
from tests.test_summary import summary


def printed(of: Summary, width: int = 80) -> str:
    written = io.StringIO()
    print_summary(of, Console(file=written, width=width))
    return written.getvalue()


def test_as_a_table() -> None:
    text = printed(summary(files=["out.mp4", "found.jsonl"], notes=["subtitles left out"], damaged_packets=4, interrupted=True))
    assert "102 in, 100 out, 2 dropped (stale 2)" in text
    assert "3 frames concealed, 4 packets unreadable" in text
    assert "4.0 s, 25.0 frames/s" in text
    assert "person 40, car 5, class 77 1" in text
    (inference,) = (line for line in text.splitlines() if "inference" in line)
    assert [float(word) for word in inference.split()[1::2]] == [pytest.approx(30, rel=0.01)] * 2
    assert all(word in text for word in ("out.mp4", "found.jsonl", "subtitles left out", "stopped"))


def test_a_clean_run_says_no_more_than_it_must() -> None:
    stats = Stats(started_at=0.0, ended_at=90.0, frames_in=9, frames_out=9)
    text = printed(Summary.of(stats, LABELS, INFO, now=0.0))
    assert "9 in, 9 out, 0 dropped\n" in "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    assert "1:30, 0.1 frames/s" in text
    assert "none" in text
    assert not any(word in text for word in ("damage", "note", "stopped", "latency", "written"))


def test_names_are_not_markup_and_long_ones_are_whole() -> None:
    path = f"[red]{'x' * 100}.mp4"
    text = printed(summary(files=[path], notes=["[bold]n[/bold]"]), width=60)
    assert path in "".join(line.strip().removeprefix("written").strip() for line in text.splitlines())
    assert "[bold]n[/bold]" in text
