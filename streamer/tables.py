"""Tables for people, on stdout."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streamer.detectors.check import CheckReport
from streamer.detectors.registry import KnownDetector
from streamer.sources.probe import ProbeReport


def _grid() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def print_models(known: Iterable[KnownDetector]) -> None:
    """The detectors: one block each."""
    table = _grid()
    for detector in known:
        size = "" if detector.size_bytes is None else f", {detector.size_bytes / 1e6:.0f} MB"
        table.add_row(detector.name, f"needs {escape(detector.needs)}")
        table.add_row("", f"{'lies' if detector.present else 'not here; would lie'} in {escape(detector.where)}{size}")
    table.add_row("hub:HANDLE", "any TF Hub model with the outputs of the TF Object Detection API")
    table.add_row("PATH", "the folder of such a SavedModel")
    table.add_row("package.module:Class", "a class of your own with labels and detect(image)")
    Console().print(table, highlight=False)


def print_check(report: CheckReport) -> None:
    """What trying a detector showed."""
    table = _grid()
    width, height = report.input_size
    table.add_row("detector", escape(report.name))
    table.add_row("device", escape(report.device))
    table.add_row("classes", str(report.labels))
    for name, spec in report.contract.items():
        table.add_row(escape(name), escape(spec))
    table.add_row("warm-up", f"{report.warm_up_s:.2f} s")
    table.add_row("a frame", f"{report.ms_per_frame:.1f} ms (median of {report.frames}, {width}x{height})")
    Console().print(table, highlight=False)
