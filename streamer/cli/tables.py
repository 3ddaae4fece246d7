"""Tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from streamer.cli.progress import clock
from streamer.doctor.finding import Verdict

if TYPE_CHECKING:  # a command shows one of them, and `Comparison` alone takes as long to load as all that `annotate` needs
    from streamer.cluster.fleet_head import Seen
    from streamer.comparison.comparing import Comparison
    from streamer.detectors.catalog import KnownModel
    from streamer.detectors.check import CheckReport
    from streamer.detectors.exported.description import Description
    from streamer.discovery.cameras import FoundCamera
    from streamer.doctor.finding import Finding
    from streamer.events.event import Event
    from streamer.sources.probe import ProbeReport, StreamReport
    from streamer.summary import Summary

_UNBROKEN = 500
"""Columns of a table whose lines the terminal wraps by itself."""


def _grid() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """The figures of a run that has ended, on stderr unless told otherwise."""
    console = console or Console(stderr=True)
    table = _grid()
    dropped = sum(summary.dropped.values())
    causes = ", ".join(f"{cause} {n}" for cause, n in sorted(summary.dropped.items()))
    frames = f"{summary.frames_in} in, {summary.frames_out} out, {dropped} dropped"
    table.add_row("frames", frames + (f" ({causes})" if causes else ""))
    if summary.damaged_frames or summary.damaged_packets:
        table.add_row("damage", f"{summary.damaged_frames} frames concealed, {summary.damaged_packets} packets unreadable")
    table.add_row("time", f"{_duration(summary.seconds)}, {summary.fps:.1f} frames/s")
    if summary.latencies:
        table.add_row("latency", _latencies(summary))
    names = ", ".join(f"{name} {n}" for name, n in summary.instances.items())
    table.add_row("instances", escape(names) or "none")
    if summary.tracks is not None:
        counts = Counter(track.class_name for track in summary.tracks)
        kinds = ", ".join(f"{name} {n}" for name, n in counts.most_common())
        table.add_row("tracks", f"{len(summary.tracks)} objects" + (f": {escape(kinds)}" if kinds else ""))
    for heading, words in _places(summary.places):
        table.add_row(heading, words)
    for row, path in enumerate(summary.files):
        table.add_row("" if row else "written", escape(path))
    for row, note in enumerate(summary.notes):
        table.add_row("" if row else "note", escape(note))
    if summary.interrupted:
        table.add_row("stopped", "before the end of the input; what was done is whole")
    console.print(table, highlight=False)


def _places(places: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """One row for each zone and line: its heading and what it counted."""
    for row, (name, zone) in enumerate(places.get("zones", {}).items()):
        dwell = (
            ""
            if zone["mean_dwell_s"] is None
            else f", {zone['mean_dwell_s']:.1f} s each, {zone['longest_dwell_s']:.1f} at most"
        )
        words = f"{escape(name)}: {zone['entries']} entered, {zone['exits']} left{dwell}, {zone['most_inside']} at once"
        yield "" if row else "zones", words
    for row, (name, line) in enumerate(places.get("lines", {}).items()):
        yield "" if row else "lines", f"{escape(name)}: {line['in']} in, {line['out']} out"


def print_found_cameras(cameras: Iterable[FoundCamera], console: Console | None = None) -> None:
    """Cameras of the network with their profiles, on stdout unless told otherwise."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("camera", "address", "profile", "picture", "stream"):
        table.add_column(heading)
    for camera in cameras:
        name = camera.name + (f" ({camera.model})" if camera.model not in ("", camera.name) else "")
        first = [escape(name), escape(camera.host)]
        if camera.problem:
            table.add_row(*first, "", escape(camera.problem), "")
        for profile in camera.profiles:
            rate = "" if profile.fps is None else f", {profile.fps:g} frames/s"
            figures = f"{profile.width}x{profile.height} {profile.codec}{rate}"
            table.add_row(*first, escape(profile.name), escape(figures), escape(profile.address or ""))
            first = ["", ""]
    # An address that is broken into lines cannot be copied.
    (console or Console(width=_UNBROKEN)).print(table, highlight=False)


def print_places(places: Mapping[str, Any], console: Console | None = None) -> None:
    """What zones and lines have counted, on stdout unless told otherwise."""
    table = _grid()
    for heading, words in _places(places):
        table.add_row(heading, words)
    (console or Console()).print(table, highlight=False)


_FIGURES = {
    "AP": "ap",
    "AP50": "ap50",
    "mask AP": "mask_ap",
    "HOTA": "hota",
    "IDF1": "idf1",
    "MOTA": "mota",
    "switches": "switches",
    "true": "truth_objects",
    "judged": "judged_objects",
}


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """How well records agree with the truth, on stdout unless told otherwise."""
    console = console or Console()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for heading in _FIGURES:
        table.add_column(heading, justify="right")
    for name, figures in (*comparison.classes.items(), ("all", comparison.all)):
        told = figures.as_dict()
        table.add_row(escape(name), *(_figure(told[key]) for key in _FIGURES.values()))
    console.print(table, highlight=False)
    confused = _grid()
    for (truth, judged), count in comparison.confusion.most_common():
        if truth != judged:
            confused.add_row(f"{count}", escape(_confusion(truth, judged)))
    for row, one in enumerate(comparison.worst):
        confused.add_row("" if row else "worst", f"frame {one.frame} at {one.time_s:.3f} s: {one.errors} wrong")
    console.print(confused, highlight=False)


def _confusion(truth: str | None, judged: str | None) -> str:
    if truth is None:
        return f"{judged} where nothing is"
    return f"{truth} missed" if judged is None else f"{truth} taken for {judged}"


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _latencies(summary: Summary) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("median", justify="right")
    table.add_column("p95", justify="right")
    for name, latency in summary.latencies.items():
        table.add_row(name.removesuffix("_latency"), _milliseconds(latency.median_s), _milliseconds(latency.p95_s))
    return table


def print_models(known: Iterable[KnownModel]) -> None:
    """The detectors: one block each."""
    table = _grid()
    for model in known:
        needs = f"needs {escape(model.needs)}; " if model.needs else ""
        table.add_row(escape(model.name), f"{needs}licence {escape(model.license) or 'unknown: see its page'}")
        if model.package:
            wrong = f", cannot be used: {escape(model.wrong)}" if model.wrong else ""
            table.add_row("", f"{escape(model.where)} of {escape(model.package)}{wrong}")
        elif model.size_bytes is None:
            table.add_row("", f"not here; would lie in {escape(model.where)}")
        else:
            state = "lies" if model.present else "damaged (streamer models verify says more); lies"
            table.add_row("", f"{state} in {escape(model.where)}, {model.size_bytes / 1e6:.1f} MB")
    table.add_row("hub:HANDLE", "any TF Hub model with the outputs of the TF Object Detection API")
    table.add_row("kaggle:HANDLE", escape("such a model of Kaggle, kaggle:OWNER/MODEL/FRAMEWORK/VARIATION[/VERSION]"))
    table.add_row("PATH", "the folder of such a SavedModel")
    table.add_row("FILE.onnx", "a network of a known family that you exported")
    table.add_row("kserve://HOST:PORT/MODEL", "a detector on a server: Triton, or streamer serve")
    table.add_row("package.module:Class", "a class of your own with labels and detect(image), or a function of a picture")
    Console().print(table, highlight=False)


def print_check(report: CheckReport) -> None:
    """What trying a detector showed."""
    table = _grid()
    width, height = report.input_size
    table.add_row("detector", escape(report.name))
    table.add_row("device", escape(report.device))
    if report.family:
        table.add_row("family", escape(report.family))
    table.add_row("classes", str(report.labels))
    for name, spec in report.contract.items():
        table.add_row(escape(name), escape(spec))
    table.add_row("warm-up", f"{report.warm_up_s:.2f} s")
    table.add_row("a frame", f"{report.ms_per_frame:.1f} ms (median of {report.frames}, {width}x{height})")
    for count, ms in report.ms_by_masks.items():
        table.add_row("", f"{ms:.1f} ms with {f'the masks of {count}' if count else 'boxes alone'}")
    table.add_row("memory", f"{report.peak_memory_bytes / 1e6:.0f} MB at most, of the whole process")
    Console().print(table, highlight=False)


def print_model_file(description: Description) -> None:
    """Inputs, outputs and metadata of a model file."""
    table = _grid()
    for kind, tensors in (("input", description.inputs), ("output", description.outputs)):
        for tensor in tensors:
            table.add_row(kind, escape(f"{tensor.name} {tensor}"))
    for key, value in description.metadata.items():
        table.add_row(
            "metadata", escape(f"{key}: {value if len(value) <= _MOST_OF_A_VALUE else value[:_MOST_OF_A_VALUE] + '…'}")
        )
    Console().print(table, highlight=False)


_MOST_OF_A_VALUE = 200
_COLOURS = {Verdict.OK: "green", Verdict.MISSING: "yellow", Verdict.BROKEN: "red"}


def print_findings(findings: Iterable[Finding], console: Console | None = None) -> None:
    """How this machine is: one line for each finding, and one with the remedy where there is something to do."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(Text(finding.verdict, style=_COLOURS[finding.verdict]), finding.name, escape(finding.text))
        if finding.remedy:
            table.add_row("", "", Text(f"→ {finding.remedy}", style="dim"))
    (console or Console()).print(table, highlight=False)


def print_fleet(cameras: Sequence[Seen], console: Console | None = None) -> None:
    """Which camera of a fleet runs where, and how it is."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("camera", "machine", "address", "state", "fps in", "starts", "heard"):
        table.add_column(title, justify="right" if title in ("fps in", "starts", "heard") else "left")
    for camera in cameras:
        status = camera.present
        table.add_row(
            Text(camera.name),
            Text(camera.place.machine),
            camera.place.address,
            Text("starting" if status is None else "; ".join(status.problems) or status.state),
            "" if status is None else f"{status.camera_fps:.1f}",
            str(camera.starts),
            f"{camera.heard_s:.1f} s ago",
        )
    (console or Console()).print(table, highlight=False)


def print_probe(report: ProbeReport) -> None:
    """What a recording holds: the file, then one block for each stream."""
    table = _grid()
    table.add_row("file", escape(report.path))
    table.add_row("container", report.container)
    if report.duration_s is not None:
        start = f", starts at {report.start_s:g} s" if report.start_s else ""
        table.add_row("duration", f"{clock(report.duration_s)} ({report.duration_s:.3f} s){start}")
    if report.bit_rate:
        table.add_row("bit rate", _bits(report.bit_rate))
    if report.damaged_packets:
        table.add_row("damage", f"{report.damaged_packets} packets cannot be read")
    for stream in report.streams:
        table.add_section()
        table.add_row(f"{stream.kind} {stream.index}", ", ".join(_stream_words(stream)))
        if stream.kind == "video":
            table.add_row("", _rates(stream))
            if stream.color:
                table.add_row("", "colour " + ", ".join(f"{key} {value}" for key, value in stream.color.items()))
    for chapter in report.chapters:
        table.add_row("chapter", f"{clock(chapter['start_s'])} {escape(str(chapter.get('title') or ''))}")
    for key, value in report.metadata.items():
        table.add_row(escape(key), escape(value))
    Console().print(table, highlight=False)


def _stream_words(stream: StreamReport) -> list[str]:
    words = [stream.codec or "unknown codec"]
    if stream.width and stream.height:
        words.append(f"{stream.width}x{stream.height} {stream.pixel_format or ''}".rstrip())
        if stream.sample_aspect_ratio not in (None, "1"):
            words.append(f"pixels {stream.sample_aspect_ratio}")
        if stream.rotation or stream.mirrored:
            words.append(f"turned {stream.rotation or 0}°" + (", mirrored" if stream.mirrored else ""))
    if stream.sample_rate:
        words.append(f"{stream.sample_rate} Hz, {stream.channels} channels")
    if stream.language not in (None, "und"):
        words.append(str(stream.language))
    if stream.bit_rate:
        words.append(_bits(stream.bit_rate))
    words += [flag for flag in stream.disposition if flag != "default"]
    if stream.chosen:
        words.append("this one is annotated")
    return words


def _rates(stream: StreamReport) -> str:
    words = [f"declared {stream.declared_rate or 'no'} frames/s"]
    if stream.spacing is not None:
        spacing = stream.spacing
        measured = "" if spacing.rate is None else f" {spacing.rate:.3f} frames/s"
        words.append(f"measured{measured} over {spacing.frames} frames, {'variable' if spacing.variable else 'constant'}")
        if spacing.variable:
            words.append(f"{spacing.min_s * 1000:.1f} to {spacing.max_s * 1000:.1f} ms apart")
    words.append(f"time base {stream.time_base}")
    return ", ".join(words)


def _bits(per_second: int) -> str:
    return f"{per_second / 1e6:.2f} Mbit/s" if per_second >= 1e6 else f"{per_second / 1e3:.0f} kbit/s"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def print_events(events: Sequence[Event]) -> None:
    """Events, newest first, with the local time."""
    if not events:
        Console().print("no events", highlight=False)
        return
    table = Table(box=None)
    table.add_column("id", no_wrap=True, min_width=len(events[0].id))  # it is what the other commands ask for
    for heading in ("camera", "began", "lasted", "objects", "zones", "clip"):
        # Nothing is cut off where the terminal is narrow, and a date stays in one piece.
        table.add_column(heading, overflow="fold", min_width=10 if heading == "began" else None)
    for event in events:
        began = datetime.fromtimestamp(event.start_utc).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
        lasted = "goes on" if event.end_utc is None else f"{event.end_utc - event.start_utc:.1f} s"
        found = ", ".join(f"{name} {score:.2f}" for name, score in zip(event.classes, event.scores, strict=True))
        clip = "yes" if event.clip is not None and event.clip.exists() else ""  # `events show` has the path
        table.add_row(event.id, escape(event.camera), began, lasted, escape(found), escape(", ".join(event.zones)), clip)
    Console().print(table, highlight=False)
