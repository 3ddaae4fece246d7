"""What was found, as pages draw it over a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from streamer.instances import NO_TRACK, Instances, class_name
from streamer.render.masks import binary_crop
from streamer.render.palette import color, identity_of

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
            "color": "#{:02x}{:02x}{:02x}".format(*color(identity_of(track_id, class_id))),
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
