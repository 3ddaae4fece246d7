"""Where points and shapes lie: zones and lines placed in a picture of one size, for all objects of a frame at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from streamer.analysis.observation import CELLS, Doubles, Observations
from streamer.analysis.places import Line, Point, Zone, in_pixels
from streamer.instances import Bools

_RASTER = 1024
"""Most columns or rows of the raster that shapes are looked up in."""
_INSET_PX = 0.01
"""What stands on the picture's edge is inside a zone that ends there."""
_FRACTION_BITS = 8
_MIDDLES = (np.arange(CELLS) + 0.5) / CELLS
"""Where the middles of a shape's cells are, as shares of its side."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Seen:
    """Where N objects are."""

    inside: Bools
    """bool (N, zones)."""
    shares: Doubles
    """float64 (N, zones): with ``coverage`` the share that is inside; else 0."""
    distances: Doubles
    """float64 (N, lines): pixels from the line; positive on the side that ``in`` leads to."""


class Geometry:
    """Zones and lines in a picture of ``size`` (width, height); those in pixels mean a picture of ``first_size``, if given.

    Raises ``InvalidPlace`` for one outside the picture.
    """

    def __init__(
        self, zones: Sequence[Zone], lines: Sequence[Line], size: tuple[int, int], first_size: tuple[int, int] | None = None
    ) -> None:
        self.size = size
        self.first_size = first_size or size
        scale = size[0] / self.first_size[0], size[1] / self.first_size[1]
        polygons = [_scaled(in_pixels(zone.polygon, self.first_size), scale) for zone in zones]
        ends = [_scaled(in_pixels(line.points, self.first_size), scale) for line in lines]
        self._polygons = polygons
        most = max(map(len, polygons), default=1)
        corners = np.zeros((len(zones), most, 2))
        following = np.zeros_like(corners)
        for row, polygon in enumerate(polygons):
            # What is left of a row are edges from 0, 0 to 0, 0, which no ray meets.
            corners[row, : len(polygon)] = polygon
            following[row, : len(polygon)] = np.roll(np.array(polygon), -1, axis=0)
        self._x0, self._y0 = corners[..., 0], corners[..., 1]
        self._y1 = following[..., 1]
        rise = self._y1 - self._y0
        self._slope = (following[..., 0] - self._x0) / np.where(rise == 0.0, 1.0, rise)
        self._by_centre = np.array([zone.count == "centre" for zone in zones], np.bool_)
        self._by_share = np.array([zone.count == "coverage" for zone in zones], np.bool_)
        self.counts_shares = bool(self._by_share.any())
        """Whether a zone counts by coverage: else all shares are 0."""
        self._least = np.array([zone.coverage for zone in zones]) - 1e-9
        if self.counts_shares:
            self._divide()
        self._starts = np.array([line[0] for line in ends]).reshape(-1, 2)
        along = np.array([line[1] for line in ends]).reshape(-1, 2) - self._starts
        self._lengths = np.hypot(along[:, 0], along[:, 1])
        self._along = along / np.maximum(self._lengths, 1e-9)[:, None]
        self._line_by_centre = np.array([line.count == "centre" for line in lines], np.bool_)

    def see(self, objects: Observations) -> Seen:
        """Where each object is."""
        boxes, feet = objects.boxes_xyxy, objects.feet_xy[:, None]
        centres = ((boxes[:, :2] + boxes[:, 2:]) * 0.5)[:, None]
        inside = self.contains(_chosen(self._by_centre, centres, feet))
        if self.counts_shares:
            shares = self._shares(objects)
            inside = np.where(self._by_share, shares >= self._least, inside)
        else:
            shares = np.zeros(inside.shape)
        away = _chosen(self._line_by_centre, centres, feet) - self._starts
        distances = self._along[:, 0] * away[..., 1] - self._along[:, 1] * away[..., 0]
        return Seen(inside=inside, shares=shares, distances=distances)

    def contains(self, points: Doubles) -> Bools:
        """Whether points (N, zones, 2), or one for all zones (N, 1, 2), are within the zones: bool (N, zones).

        By the even-odd rule.
        """
        width, height = self.size
        within = np.minimum(np.maximum(points, _INSET_PX), (width - _INSET_PX, height - _INSET_PX))
        x, y = within[..., 0, None], within[..., 1, None]
        met = (self._y0 > y) ^ (self._y1 > y)
        met &= x < self._x0 + self._slope * (y - self._y0)
        return np.asarray(np.logical_xor.reduce(met, axis=-1), np.bool_)

    def change(self, zone: int, start: Sequence[float], end: Sequence[float], steps: int) -> float:
        """The share of the way from ``start`` to ``end``, one within ``zone`` and one not, at which its edge is met."""
        polygon = self._polygons[zone]
        within = _within(polygon, *start)
        low, high = 0.0, 1.0
        for _ in range(steps):
            middle = (low + high) / 2
            at = _within(polygon, start[0] + middle * (end[0] - start[0]), start[1] + middle * (end[1] - start[1]))
            low, high = (middle, high) if at == within else (low, middle)
        return (low + high) / 2

    def meets(self, line: int, x: float, y: float) -> bool:
        """Whether a point on the endless line through ``line`` lies between its ends."""
        start, along = self._starts[line], self._along[line]
        place = float(along[0] * (x - start[0]) + along[1] * (y - start[1]))
        return -1e-6 <= place <= float(self._lengths[line]) + 1e-6

    def _divide(self) -> None:
        """Divide the picture into regions, each in all or none of each zone: shapes are looked up once for all zones."""
        width, height = self.size
        self._scale = min(1.0, _RASTER / max(width, height))
        shape = max(1, round(height * self._scale)), max(1, round(width * self._scale))
        regions = np.zeros(shape, np.int32)
        members = np.zeros((1, len(self._polygons)))
        for zone in np.flatnonzero(self._by_share).tolist():
            drawn = np.zeros(shape, np.uint8)
            polygon = np.array(self._polygons[zone]) * self._scale
            corners = np.round((polygon - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32)
            cv2.fillPoly(drawn, [corners[:, None]], 1, shift=_FRACTION_BITS)
            regions += drawn * np.int32(len(members))
            members = np.concatenate([members, members])
            members[len(members) // 2 :, zone] = 1.0
            there = np.bincount(regions.ravel(), minlength=len(members)) > 0
            regions = (np.cumsum(there, dtype=np.int32) - 1)[regions]
            members = members[there]
        self._regions = regions.astype(np.min_scalar_type(len(members)))
        """Unsigned (rows, columns) of a small picture: numbers of regions."""
        self._members: Doubles = members
        """float64 (regions, zones): 1 where a region is in a zone that counts by coverage."""

    def _shares(self, objects: Observations) -> Doubles:
        """The share of each shape that is in each zone that counts by it: float64 (N, zones); 0 for other zones."""
        boxes, n = objects.boxes_xyxy * self._scale, len(objects)
        rows, columns = self._regions.shape
        corners, sides = boxes[:, :2, None], (boxes[:, 2:] - boxes[:, :2])[:, :, None]
        places = np.minimum((corners + _MIDDLES * sides).astype(np.intp), ((columns - 1,), (rows - 1,)))
        places[:, 1] *= columns
        least = n * len(self._members)
        cells = self._regions.ravel().take(places[:, 1, :, None] + places[:, 0, None, :])
        cells = cells + np.arange(0, least, len(self._members))[:, None, None]
        counts = np.bincount(cells.ravel(), weights=objects.shapes.ravel(), minlength=least).reshape(n, -1)
        return np.asarray(counts @ self._members / counts.sum(axis=1)[:, None], np.float64)


def _chosen(by_centre: Bools, centres: Doubles, feet: Doubles) -> Doubles:
    """The point that each zone or line goes by, (N, places, 2), or (N, 1, 2) where all go by the same; from (N, 1, 2)."""
    if not by_centre.any():
        return feet
    return centres if by_centre.all() else np.where(by_centre[None, :, None], centres, feet)


def _scaled(points: Sequence[Point], scale: tuple[float, float]) -> tuple[Point, ...]:
    return tuple((x * scale[0], y * scale[1]) for x, y in points)


def _within(polygon: Sequence[Point], x: float, y: float) -> bool:
    """The even-odd rule for one point: NumPy takes longer to begin."""
    inside = False
    x0, y0 = polygon[-1]
    for x1, y1 in polygon:
        if (y0 > y) != (y1 > y) and x < x0 + (x1 - x0) * (y - y0) / (y1 - y0):
            inside = not inside
        x0, y0 = x1, y1
    return inside
