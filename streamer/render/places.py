"""Zones and lines on the picture, with what they count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.analysis.facts import SceneFacts
from streamer.analysis.places import Line, Places, Point, Zone, in_pixels
from streamer.render.canvas import Canvas
from streamer.render.labels import painted, place, tag
from streamer.render.masks import Region
from streamer.render.palette import BLACK, Rgb, Yuv, color, readable_on

_FIRST_COLOR = 1000
_SHIFT = 4
"""OpenCV takes points in parts of a pixel: 2^-4."""
_ARROW_PX = 10.0
"""Length of a line's arrow, times its width."""


def colors_of(places: Places) -> list[Rgb]:
    """The colours of the zones, then those of the lines: by their order, and none that an object has."""
    return first_colors(len(places.zones) + len(places.lines))


def first_colors(count: int) -> list[Rgb]:
    """The colours of as many zones and lines."""
    return [color(_FIRST_COLOR + index) for index in range(count)]


class PlacesDrawing:
    """Draws the zones and lines of a scene; the arrow at a line shows which way is ``in``."""

    def __init__(self, zones: Sequence[Zone], lines: Sequence[Line]) -> None:
        self.places = Places(tuple(zones), tuple(lines))
        self._zones, self._lines = self.places
        self._colors = colors_of(self.places)

    def draw(self, canvas: Canvas, yuv: Callable[[Rgb], Yuv], line_px: float) -> None:
        """Draw zones and lines on a canvas, ``line_px`` wide."""
        size = canvas.width, canvas.height
        for zone, paint in zip(self._zones, self._colors, strict=False):
            _stroke(canvas, yuv, [in_pixels(zone.polygon, size)], paint, line_px, closed=True)
        for line, paint in zip(self._lines, self._colors[len(self._zones) :], strict=True):
            ends = in_pixels(line.points, size)
            _stroke(canvas, yuv, [ends, *_arrow(ends, _ARROW_PX * line_px)], paint, line_px, closed=False)

    def label(
        self,
        canvas: Canvas,
        yuv: Callable[[Rgb], Yuv],
        facts: SceneFacts | None,
        taken: list[Region],
        *,
        text_px: int,
        stretch: float,
    ) -> None:
        """Write names and, with ``facts``, counts beside them, in letters of ``text_px``, where there is no text yet.

        ``taken`` is where there is; what is written here comes to it.
        """
        size = canvas.width, canvas.height
        for (text, points), paint in zip(self._texts(size, facts), self._colors, strict=True):
            label = tag(text, text_px, stretch)
            for x, y in points:
                left, top = max(0, min(round(x), canvas.width - 1)), max(0, min(round(y), canvas.height - 1))
                spot = place((label.width, label.height), Region(left, top, left + 1, top + 1), taken, *size)
                if spot is not None:
                    taken.append(spot)
                    layer = painted((text, text_px, stretch), yuv(paint), yuv(readable_on(paint)))
                    canvas.lay(layer, *canvas.aligned(spot)[:2])
                    break

    def _texts(self, size: tuple[int, int], facts: SceneFacts | None) -> Iterator[tuple[str, Sequence[Point]]]:
        """What is written of each zone and line, and at which of its points if there is room, best first."""
        for index, zone in enumerate(self._zones):
            count = f" {facts.inside[index]}" if facts is not None and facts.inside else ""
            yield f"{zone.name}{count}", sorted(in_pixels(zone.polygon, size), key=lambda corner: (corner[1], corner[0]))
        for index, line in enumerate(self._lines):
            into, out = facts.crossed[index] if facts is not None and facts.crossed else (0, 0)
            ends = in_pixels(line.points, size)
            yield f"{line.name} in {into} · out {out}" if facts is not None else line.name, [_middle(ends), *ends]


def _middle(ends: Sequence[Point]) -> Point:
    return (ends[0][0] + ends[1][0]) / 2, (ends[0][1] + ends[1][1]) / 2


def _arrow(ends: Sequence[Point], length_px: float) -> list[tuple[Point, ...]]:
    """The strokes of an arrow from the middle of a line to the side that is ``in``: the right one, looking along it."""
    middle = _middle(ends)
    along = np.array(ends[1]) - np.array(ends[0])
    along /= max(float(np.hypot(*along)), 1e-9)
    into = np.array([-along[1], along[0]])
    tip = np.array(middle) + length_px * into
    barbs = [tip - 0.45 * length_px * (into + side * along) for side in (-0.8, 0.8)]
    left, right = (tuple(map(float, barb)) for barb in barbs)
    end = (float(tip[0]), float(tip[1]))
    return [(middle, end), ((left[0], left[1]), end, (right[0], right[1]))]


def _stroke(
    canvas: Canvas,
    yuv: Callable[[Rgb], Yuv],
    paths: Sequence[Sequence[Point]],
    paint: Rgb,
    line_px: float,
    *,
    closed: bool,
) -> None:
    """Anti-aliased strokes with a dark seam, so that they stand out on any ground."""
    for sample, width in ((yuv(BLACK), line_px + 2), (yuv(paint), line_px)):
        for path in paths:
            points = np.array(path, np.float64)
            # A pixel's centre is half a pixel from its edge; for OpenCV it is the whole number.
            _polyline(canvas.luma, points - 0.5, sample.y, width, closed=closed)
            chroma = (points + np.array([canvas.shift_x, canvas.shift_y])) / 2 - 0.5
            _polyline(canvas.cb, chroma, sample.u, width / 2, closed=closed)
            _polyline(canvas.cr, chroma, sample.v, width / 2, closed=closed)


def _polyline(plane: NDArray[np.uint8], points: NDArray[np.float64], value: int, width: float, *, closed: bool) -> None:
    fixed = np.rint(np.clip(points, -1e4, 1e5) * 2**_SHIFT).astype(np.int32)
    cv2.polylines(plane, [fixed], closed, (value,), max(1, round(width)), cv2.LINE_AA, _SHIFT)
