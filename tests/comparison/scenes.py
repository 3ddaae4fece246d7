"""Records of made-up scenes: tracks that wander, and the same as a detector would tell of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamer.sinks.coco_masks import Crop, rles

SIZE = 128, 96
LABELS = {1: "person", 3: "car", 4: "dog"}

Object = dict[str, Any]


def stored_object(
    class_id: int, box: Sequence[float], *, score: float = 1.0, track: int | None = None, mask: bool = True
) -> Object:
    """An object of a line of records; its mask is an ellipse in its box, or there is none."""
    rle = None
    if mask:
        width, height = SIZE
        y, x = np.mgrid[0:height, 0:width] + 0.5
        left, top, right, bottom = box
        inside = ((2 * x - left - right) / (right - left)) ** 2 + ((2 * y - top - bottom) / (bottom - top)) ** 2 <= 1
        (rle,) = rles([Crop(0, 0, inside)], width, height)
    return {
        "class": LABELS[class_id],
        "class_id": class_id,
        "score": score,
        "box_xyxy": [float(edge) for edge in box],
        "track_id": track,
        "state": "inferred",
        "mask": rle,
    }


def write(
    path: Path, frames: Iterable[tuple[int, list[Object]]], stream: dict[str, Any] | None = None, *, end: bool = True
) -> Path:
    """Records of frames, each an index and its objects; their times have a pause after the fifth."""
    head = {
        "type": "stream",
        "schema": 2,
        "source": "in.mp4",
        "width": SIZE[0],
        "height": SIZE[1],
        "time_base": "1/90000",
        "rate": "30",
        "detector": "fake",
        "masks": "rle",
        "labels": {str(class_id): name for class_id, name in LABELS.items()},
        "fingerprint": None,
        **(stream or {}),
    }
    lines: list[dict[str, Any]] = [head]
    for index, objects in frames:
        pts = 3000 * index + (90_000 if index > 5 else 0)
        lines.append({"type": "frame", "frame": index, "pts": pts, "time_s": round(pts / 90_000, 6), "instances": objects})
    if end:
        lines.append({"type": "end", "frames": len(lines) - 1})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def wandering(seed: int, frames: int = 40, tracks: int = 9) -> list[list[Object]]:
    """The truth: objects of three classes that wander, leave and come back. Boxes are whole pixels."""
    random = np.random.default_rng(seed)
    out: list[list[Object]] = [[] for _ in range(frames)]
    for track in range(1, tracks + 1):
        class_id = (1, 1, 3, 4)[track % 4]
        place, speed = random.uniform((0, 0), (90, 60)), random.normal(0, 1.5, 2)
        side = random.uniform(14, 30, 2)
        for objects in out:
            place = np.clip(place + speed + random.normal(0, 0.5, 2), 0, (96, 64))
            if random.uniform() < 0.85:
                objects.append(stored_object(class_id, [*place.round(), *(place + side).round()], track=track))
    return out


def told_by_a_detector(truth: list[list[Object]], seed: int) -> list[list[Object]]:
    """The same with boxes that shake, misses, inventions, wrong classes and tracks that change."""
    random = np.random.default_rng(seed)
    numbers: dict[int, int] = {}
    out = []
    for objects in truth:
        found = []
        for one in objects:
            if random.uniform() < 0.1:
                continue
            if random.uniform() < 0.06 or one["track_id"] not in numbers:
                numbers[one["track_id"]] = int(random.integers(1, 30)) * 10 + one["track_id"]
            box = np.array(one["box_xyxy"]) + random.normal(0, 1.2, 4)
            class_id = one["class_id"] if random.uniform() < 0.92 else 4
            found.append(
                stored_object(class_id, box.tolist(), score=float(random.uniform(0.3, 1)), track=numbers[one["track_id"]])
            )
        if random.uniform() < 0.3:
            left, top = random.uniform((0, 0), (90, 60))
            found.append(stored_object(1, [left, top, left + 20, top + 25], score=float(random.uniform(0.2, 0.6)), track=999))
        out.append(found)
    return out
