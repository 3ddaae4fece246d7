"""Settings of zones and lines: in a file of their own, or beside all else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from streamer.analysis.places import InvalidPlace, Line, Places, Point, Zone
from streamer.config.fields import Expected, FilePath, Names, Option, Settings, Unset, number, parse_time
from streamer.config.validation import build, load
from streamer.errors import ConfigError

_POINT: dict[str, Any] = {"type": "array", "items": {"type": "number", "minimum": 0}, "minItems": 2, "maxItems": 2}


def _points(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise InvalidPlace("expected points", "write them as [[x, y], [x, y], …]")
    for point in value:
        if not isinstance(point, list | tuple) or len(point) != 2 or not all(type(part) in (int, float) for part in point):
            raise InvalidPlace(f"{point!r} is no point", "write each as two numbers: [x, y]")
    return value


def _as_polygon(points: tuple[Point, ...]) -> tuple[Point, ...]:
    return Zone(name="", polygon=points).polygon


def _as_line(points: tuple[Point, ...]) -> tuple[Point, ...]:
    return Line(name="", points=points).points


Polygon = Annotated[
    tuple[Point, ...],
    BeforeValidator(_points),
    AfterValidator(_as_polygon),
    Expected("three points or more", schema=({"type": "array", "items": _POINT, "minItems": 3},)),
]
Ends = Annotated[
    tuple[Point, ...],
    BeforeValidator(_points),
    AfterValidator(_as_line),
    Expected("two points", schema=({"type": "array", "items": _POINT, "minItems": 2, "maxItems": 2},)),
]
Delay = Annotated[
    float,
    BeforeValidator(parse_time),
    Expected("seconds, 0 or more", "SECONDS", ({"type": "number", "minimum": 0, "maximum": 1e9},)),
]


Part = Annotated[
    float,
    BeforeValidator(number),
    Field(gt=0, le=1, allow_inf_nan=False),
    Expected("a number above 0, up to 1", "0..1", ({"type": "number", "exclusiveMinimum": 0, "maximum": 1},)),
]


class ZoneOptions(Settings):
    """A part of the picture."""

    polygon: Polygon
    """Corners ``[[x, y], …]``: from 0 to 1 as shares of the picture's width and height, or pixels of the displayed picture."""
    classes: Annotated[Names, Unset("all", by_none=False)] = None
    """Names of the classes that count."""
    count: Literal["foot", "centre", "coverage"] = "foot"
    """What must be inside: the lowest part of the mask, the centre of the box, or a share of the mask."""
    coverage: Part = 0.5
    """With ``count: coverage``: the share of the mask that must be inside."""
    enter_after: Delay = 0.4
    """Seconds inside after which an object has entered."""
    leave_after: Delay = 1.0
    """Seconds outside after which it has left."""


class LineOptions(Settings):
    """A line across the picture."""

    points: Ends
    """Its two ends. Looking from the first to the second, what crosses from left to right goes ``in``."""
    classes: Annotated[Names, Unset("all", by_none=False)] = None
    """Names of the classes that count."""
    count: Literal["foot", "centre"] = "foot"
    """What must cross: the lowest part of the mask, or the centre of the box."""


Zones = Annotated[
    dict[str, ZoneOptions],
    Option(file_only=True, metavar="{NAME: {polygon: …}}"),
    Expected("zones by name, each with a polygon"),
]
Lines = Annotated[
    dict[str, LineOptions], Option(file_only=True, metavar="{NAME: {points: …}}"), Expected("lines by name, each with points")
]


class PlacesFile(Settings):
    """What the file of ``zones_file`` may hold."""

    panel: ClassVar[str] = "Zones"

    zones: Zones = Field(default={})
    """Parts of the picture that objects enter and leave, by name."""
    lines: Lines = Field(default={})
    """Lines that objects cross, by name."""


class PlacesOptions(PlacesFile):
    """Zones and lines."""

    panel: ClassVar[str] = "Zones"

    zones_file: Annotated[FilePath | None, Option(flag="--zones", metavar="FILE.yaml"), Unset("those of the settings")] = None
    """File with ``zones`` and ``lines``, in place of those of the settings; see docs/zones.md."""
    counts: Annotated[FilePath | None, Option(metavar="FILE.csv"), Unset("not written")] = None
    """File of the counts of zones and lines, for each minute and in total."""


def places_of(settings: PlacesOptions, environ: Mapping[str, str] = os.environ) -> Places:
    """The zones and lines of settings, or of the file that they name.

    Raises ``ConfigError``, with file and line, for zones and lines that cannot be, and for counts without any.
    """
    file = settings.zones_file
    places = _made(settings) if file is None else load_places(file, environ)
    check_counts(settings, places)
    return places


def check_counts(settings: PlacesOptions, places: Places) -> None:
    """Raise ``ConfigError`` where there is nothing to count."""
    if not places and settings.counts is not None:
        where = settings.origin.where(("counts",))
        raise ConfigError(f"{where}counts: there are no zones and no lines", hint="name a file of them with --zones")


def parse_places(said: Mapping[str, object]) -> Places:
    """Zones and lines from ``{"zones": {NAME: {…}}, "lines": {NAME: {…}}}``, as a file holds them. Raises ``ConfigError``."""
    return _made(build(PlacesFile, None, said))


def load_places(path: Path, environ: Mapping[str, str] = os.environ) -> Places:
    """The zones and lines of a file. Raises ``ConfigError``, with file and line."""
    file = load(PlacesFile, path, {}, environ)
    places = _made(file)
    if not places:
        raise ConfigError(f"{path}: there are no zones and no lines in it", hint="docs/zones.md shows how they are written")
    return places


def _made(settings: PlacesFile) -> Places:
    for name in settings.zones.keys() & settings.lines.keys():
        raise ConfigError(
            f"{settings.origin.where(('lines', name))}lines.{name}: a zone has this name, too", hint="give one another name"
        )
    zones = tuple(
        Zone(
            name=name,
            polygon=zone.polygon,
            classes=_chosen(zone.classes),
            count=zone.count,
            coverage=zone.coverage,
            enter_after_s=zone.enter_after,
            leave_after_s=zone.leave_after,
        )
        for name, zone in settings.zones.items()
    )
    lines = tuple(
        Line(name=name, points=line.points, classes=_chosen(line.classes), count=line.count)
        for name, line in settings.lines.items()
    )
    return Places(zones, lines)


def _chosen(classes: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if classes is None or "all" in classes else frozenset(classes)
