"""Records in, counts of zones and lines out: the function behind ``analyse``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.analysis.places import InvalidPlace, Places, in_pixels
from streamer.analysis.scene import SceneAnalysis
from streamer.analysis.totals import Totals
from streamer.errors import ConfigError, StreamerError
from streamer.instances import class_name
from streamer.sinks.counts import write_counts
from streamer.sinks.records import observed, read_records, refuse_without_positions
from streamer.sinks.same_file import refuse_clashes


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was counted."""

    totals: Mapping[str, Any]
    """``zones`` and ``lines`` by name, as in the records' end line."""
    frames: int
    notes: tuple[str, ...]
    """What a person should know: that the records hold less than the run had, say."""


def analyse(
    path: str | os.PathLike[str],
    places: Places,
    counts: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> Analysis:
    """Count in the zones and across the lines of ``places`` what the records at ``path`` tell, and write ``counts`` as CSV.

    The figures are those of a run with the same places. ``on_progress`` is told how much is done, 0..1.

    Raises ``SourceNotFound`` and ``StreamerError`` as ``read_records`` does, ``ConfigError`` for records without tracks or
    positions and for places outside the picture, ``OutputRefused`` for ``counts``.
    """
    if counts is not None:
        refuse_clashes({"the records": os.fspath(path)}, [Path(counts)])
    lines = read_records(path, on_read=on_progress)
    stream = next(lines, None)
    if stream is None:
        raise StreamerError(f"{os.fspath(path)} is empty", hint="the run that wrote it had no frame")
    refuse_without_positions(path, stream)
    size = int(stream["width"]), int(stream["height"])
    for name, points in places.points():
        try:
            in_pixels(points, size)
        except InvalidPlace as error:
            raise ConfigError(f"{name}: {error}", hint=error.hint) from error
    labels: dict[int, str] = {}
    analysis = SceneAnalysis(*places, class_name=lambda class_id: class_name(labels, class_id))
    totals = Totals(*places, lambda class_id: class_name(labels, class_id), by_minute=counts is not None)
    frames = instances = tracked = footless = shapeless = 0
    ended = False
    for line in lines:
        ended = line["type"] == "end"
        if line["type"] != "frame":
            continue
        frames += 1
        for one in line["instances"]:
            labels.setdefault(one["class_id"], one["class"])
            instances += 1
            tracked += one["track_id"] is not None
            footless += "foot_xy" not in one
            shapeless += "shape" not in one
        totals.add(analysis.see(observed(line, size), float(line["time_s"]), cut=line.get("cut") is True))
    if instances and not tracked:
        raise ConfigError(
            f"{os.fspath(path)} has no tracks, without which nothing can be counted",
            hint="run annotate with --zones or --track",
        )
    totals.add(analysis.finish())
    notes = []
    if footless:
        notes.append("the records are of an earlier version: objects stand at the lower side of their boxes")
    if shapeless and any(zone.count == "coverage" for zone in places.zones):
        notes.append("the records have no masks: zones that count by coverage count the boxes")
    if not ended:
        notes.append("the records have no end line: the run was killed or failed, or goes on")
    wanted = [*(zone.classes for zone in places.zones), *(line.classes for line in places.lines)]
    unseen = frozenset().union(*(classes or () for classes in wanted)) - set(labels.values())
    if unseen:
        notes.append(f"nothing of this class is in the records: {', '.join(sorted(unseen))}")
    if counts is not None:
        write_counts(counts, totals, overwrite=overwrite)
    return Analysis(totals.as_dict(), frames, tuple(notes))
