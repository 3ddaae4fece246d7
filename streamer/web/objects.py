"""What was found, as pages draw it over a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from streamer.analysis.facts import SceneFacts
from streamer.analysis.places import Point, in_pixels
from streamer.instances import NO_TRACK, Instances, class_name
from streamer.render.masks import binary_crop
from streamer.render.palette import Rgb, color, identity_of
from streamer.render.places import colors_of, first_colors

_COLORS = 32
_FINEST = 0.75
"""Pixels by which an outline may be off."""


def drawable(
    found: Instances, labels: Mapping[int, str], zones: Sequence[Sequence[str]], size: tuple[int, int]
) -> list[dict[str, object]]:
    """Each instance as JSON: outlines as polygons in pixels of the upright picture of ``size`` (width, height), and what is
    written beside them. ``zones`` says of each where it is."""
    return [
        {
            "class": class_name(labels, class_id),
            "score": round(score, 2),
            "track_id": None if track_id == NO_TRACK else track_id,
            "box": [round(side, 1) for side in box],
            "color": _in_hex(color(identity_of(track_id, class_id))),
            "opacity": round(opacity, 2),
            "mask_age_s": round(age_s, 3),
            "zones": list(inside),
            "polygons": _polygons(found, row, size),
        }
        for row, (class_id, score, track_id, box, opacity, age_s, inside) in enumerate(
            zip(
                found.class_ids.tolist(),
                found.scores.tolist(),
                found.track_ids.tolist(),
                found.boxes_xyxy.tolist(),
                found.opacity.tolist(),
                found.mask_age_s.tolist(),
                zones,
                strict=True,
            )
        )
    ]


def drawable_places(facts: SceneFacts | None, size: tuple[int, int]) -> list[dict[str, object]]:
    """The zones and lines of a picture of ``size`` (width, height) as JSON, with what they count; points are shares of it."""
    if facts is None or facts.places is None:
        return []
    places = facts.places
    colors = [_in_hex(paint) for paint in colors_of(places)]
    zones = [
        {"kind": "zone", "name": zone.name, "color": paint, "points": shares(zone.polygon, size), "inside": inside}
        for zone, paint, inside in zip(places.zones, colors, facts.inside, strict=False)
    ]
    lines = [
        {"kind": "line", "name": line.name, "color": paint, "points": shares(line.points, size), "in": into, "out": out}
        for line, paint, (into, out) in zip(places.lines, colors[len(places.zones) :], facts.crossed, strict=False)
    ]
    return [*zones, *lines]


def palette() -> list[str]:
    """The colours of zones and lines, by their order; the first again after the last."""
    return [_in_hex(paint) for paint in first_colors(_COLORS)]


def shares(points: Sequence[Point], size: tuple[int, int]) -> list[list[float]]:
    """Points of a zone or a line as shares of the size of the picture. Raises ``InvalidPlace`` for pixels outside of it."""
    width, height = size
    return [[round(x / width, 4), round(y / height, 4)] for x, y in in_pixels(points, size)]


def _in_hex(paint: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*paint)


def _polygons(found: Instances, row: int, size: tuple[int, int]) -> list[list[int]]:
    """The outline of an instance as rings x, y, x, y, …; none where it has no mask."""
    if found.masks is None or not found.has_mask[row]:
        return []
    x0, y0, inside = binary_crop(found.masks[row], found.boxes_xyxy[row], *size)
    if not inside.any():
        return []
    rings, _ = cv2.findContours(inside.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(x0, y0))
    fine = [cv2.approxPolyDP(ring, _FINEST, closed=True) for ring in rings]
    return [[int(at) for at in ring.reshape(-1)] for ring in fine if len(ring) >= 3]
