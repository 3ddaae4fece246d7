"""Zones and lines: what of a picture is watched, and how."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

Point = tuple[float, float]
CountBy = Literal["foot", "centre", "coverage"]


class InvalidPlace(ValueError):
    """A zone or a line that cannot be: what is wrong is the message, ``hint`` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A part of the picture that objects enter and leave. Raises ``InvalidPlace``."""

    name: str
    polygon: tuple[Point, ...]
    """Its corners. Where all are within 0..1, they are shares of the picture's width and height, otherwise pixels of it as
    displayed."""
    classes: frozenset[str] | None = None
    """Names of the classes that count; None for all."""
    count: CountBy = "foot"
    """What must be inside: the lowest part of the object, the centre of its box, or a share of its mask."""
    coverage: float = 0.5
    """With ``coverage``: the share of the mask (of the box where there is none) that must be inside, above 0 up to 1."""
    enter_after_s: float = 0.4
    """An object has entered when it has been inside for so long, seconds."""
    leave_after_s: float = 1.0
    """An object has left when it has been outside for so long, seconds."""

    def __post_init__(self) -> None:
        _check_points(self.polygon, least=3, what="a polygon needs three points or more")
        if self.polygon[0] == self.polygon[-1]:
            raise InvalidPlace("the last point is the first one again", "leave it out: a polygon closes by itself")
        _check_polygon(self.polygon)
        if not 0.0 < self.coverage <= 1.0:
            raise InvalidPlace(
                f"coverage: expected a number above 0, up to 1, got {self.coverage:g}", "0.5 is half of the mask"
            )
        for seconds in (self.enter_after_s, self.leave_after_s):
            if not (math.isfinite(seconds) and seconds >= 0.0):
                raise InvalidPlace(f"expected seconds, 0 or more, got {seconds:g}", "0 counts at once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A straight line that objects cross. Raises ``InvalidPlace``.

    Looking from its first point to its second, an object that crosses from left to right goes ``in``. So a line drawn from
    left to right counts ``in`` what moves down the picture.
    """

    name: str
    points: tuple[Point, ...]
    """Its two ends, in coordinates as those of a :class:`Zone`."""
    classes: frozenset[str] | None = None
    """Names of the classes that count; None for all."""
    count: Literal["foot", "centre"] = "foot"
    """Which point of the object must cross."""

    def __post_init__(self) -> None:
        _check_points(self.points, least=2, what="a line needs two points")
        if len(self.points) != 2:
            raise InvalidPlace(f"a line needs two points, got {len(self.points)}", "use a line for each straight part")


class Places(NamedTuple):
    """The zones and lines of one camera or recording."""

    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()

    def points(self) -> Iterator[tuple[str, tuple[Point, ...]]]:
        """The name and the points of each."""
        yield from ((zone.name, zone.polygon) for zone in self.zones)
        yield from ((line.name, line.points) for line in self.lines)

    def by_name(self) -> dict[str, Zone | Line]:
        """All of them by their names: two are the same where these are, whatever their order."""
        return {zone.name: zone for zone in self.zones} | {line.name: line for line in self.lines}

    def __bool__(self) -> bool:
        return bool(self.zones or self.lines)


def relative(points: Sequence[Point]) -> bool:
    """Whether the points are shares of the picture's size, not pixels."""
    return all(0.0 <= value <= 1.0 for point in points for value in point)


def in_pixels(points: Sequence[Point], size: tuple[int, int]) -> tuple[Point, ...]:
    """The points in pixels of a picture of ``size`` (width, height). Raises ``InvalidPlace`` for pixels outside of it."""
    width, height = size
    if relative(points):
        return tuple((x * width, y * height) for x, y in points)
    for x, y in points:
        if x > width or y > height:
            raise InvalidPlace(
                f"the point [{x:g}, {y:g}] is outside the picture of {width}x{height} pixels",
                "give points within it, or shares of its size from 0 to 1, which fit any size",
            )
    return tuple(points)


def _check_points(points: Sequence[Point], least: int, what: str) -> None:
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            raise InvalidPlace(f"the point [{x}, {y}] is no place", "give two plain numbers: [x, y]")
        if x < 0 or y < 0:
            raise InvalidPlace(f"the point [{x:g}, {y:g}] is outside the picture", "coordinates begin with 0 at the top left")
    if len(points) < least:
        raise InvalidPlace(f"{what}, got {len(points)}", "give them as [[x, y], [x, y], …]")
    if not relative(points) and max(max(point) for point in points) < 2.0:
        x, y = next(point for point in points if max(point) > 1.0)
        raise InvalidPlace(f"the point [{x:g}, {y:g}] is outside the picture", "shares of its size go from 0 to 1")
    for before, after in pairwise(points):
        if before == after:
            raise InvalidPlace(f"the point [{after[0]:g}, {after[1]:g}] is there twice in a row", "leave one of them out")


def _check_polygon(points: Sequence[Point]) -> None:
    # Loaded when there is a zone: it takes as long as NumPy to load.
    from shapely import Polygon
    from shapely.validation import explain_validity

    polygon = Polygon(points)
    if polygon.convex_hull.area <= 1e-9 * polygon.length**2:
        raise InvalidPlace("all points lie on one line", "give the corners of an area, or make it a line")
    if not polygon.is_valid:
        reason = explain_validity(polygon)
        at = reason.partition("[")[2].rstrip("]").replace(" ", ", ")
        raise InvalidPlace(f"its edges cross or touch each other at [{at}]", "list the corners in order around the zone")
