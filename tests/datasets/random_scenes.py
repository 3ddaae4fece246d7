"""Records of anything: masks with holes and parts or none, tracks or none, frames of any times, some of them skipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamer.frame import Plane
from streamer.sinks.coco_masks import Crop, rles
from streamer.sinks.stored import decoded

SIZE = 24, 18
LABELS = {1: "person", 3: "car", 5: "car", 17: 'dog <&> "cat"', 18: "\U0001f600 #\x07\n", 19: "\ud800", 20: " "}
"""Names that are another's too, or that some formats cannot hold."""
Object = dict[str, Any]


@st.composite
def masks(draw: st.DrawFn) -> Plane:
    """A few cells, each some pixels wide, somewhere in the picture; at least one is set."""
    width, height = SIZE
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    cells = draw(hnp.arrays(np.uint8, (rows, columns), elements=st.integers(0, 1)))
    cells[draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))] = 1
    across, down = draw(st.integers(1, width // columns)), draw(st.integers(1, height // rows))
    left = draw(st.integers(0, width - across * columns))
    top = draw(st.integers(0, height - down * rows))
    picture: Plane = np.zeros((height, width), np.uint8)
    picture[top : top + down * rows, left : left + across * columns] = cells.repeat(down, axis=0).repeat(across, axis=1)
    return picture


@st.composite
def objects(draw: st.DrawFn) -> Object:
    """As records hold it."""
    class_id = draw(st.sampled_from(sorted(LABELS)))
    mask = draw(st.none() | masks())
    if mask is None:
        x0, x1 = sorted(draw(st.lists(st.integers(0, SIZE[0]), min_size=2, max_size=2, unique=True)))
        y0, y1 = sorted(draw(st.lists(st.integers(0, SIZE[1]), min_size=2, max_size=2, unique=True)))
        rle, box = None, [x0, y0, x1, y1]
    else:
        (rle,) = rles([Crop(0, 0, mask.astype(np.bool_))], *SIZE)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        # Detectors' boxes are wider than their masks.
        left, top, right, bottom = draw(st.tuples(*[st.sampled_from([0, 0, 1, 4])] * 4))
        box = [int(columns[0]) - left, int(rows[0]) - top, int(columns[-1]) + 1 + right, int(rows[-1]) + 1 + bottom]
        box = np.clip(box, 0, [*SIZE, *SIZE]).tolist()
    return {
        "class": LABELS[class_id],
        "class_id": class_id,
        "score": draw(st.integers(1, 10_000)) / 10_000,
        "box_xyxy": list(map(float, box)),
        "track_id": draw(st.none() | st.integers(1, 12)),
        "state": "inferred",
        "mask": rle,
    }


@st.composite
def scenes(draw: st.DrawFn) -> list[tuple[int, int, list[Object]]]:
    """Frames: index, pts and objects. A track may change its class, and be twice in a frame; scores of a frame differ."""
    steps = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 90_000)), min_size=1, max_size=5))
    index, pts, frames = -1, 0, []
    for skipped, pause in steps:
        index, pts = index + skipped, pts + pause
        frames.append((index, pts, draw(st.lists(objects(), max_size=3, unique_by=lambda one: one["score"]))))
    return frames


def write(path: Path, frames: list[tuple[int, int, list[Object]]]) -> Path:
    """Records of a scene."""
    labels = {str(class_id): name for class_id, name in LABELS.items()}
    size = {"width": SIZE[0], "height": SIZE[1]}
    stream = {"type": "stream", "schema": 2, "source": "a.mp4", **size, "time_base": "1/90000", "rate": "25"}
    lines: list[dict[str, Any]] = [{**stream, "detector": "fake", "masks": "rle", "labels": labels}]
    for index, pts, found in frames:
        lines.append({"type": "frame", "frame": index, "pts": pts, "time_s": pts / 90_000, "instances": found})
    lines.append({"type": "end", "frames": len(frames)})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def pixels_of(one: Object) -> Plane:
    """The mask."""
    return decoded(one["mask"])


def largest_part_filled(mask: Plane) -> Plane:
    """What is left of a mask in formats of one outline: by the area within the outline through its pixels."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = []
    for outline in outlines:
        picture: Plane = np.zeros_like(mask)
        cv2.fillPoly(picture, [np.asarray(outline, np.int32)], (1,))
        filled.append(picture)
    return max(filled, key=lambda picture: int(picture.sum()))
