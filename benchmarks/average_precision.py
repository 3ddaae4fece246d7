"""Average precision at IoU 0.5, judged by pycocotools' COCOeval (101-point interpolation, mean over classes)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from streamer.instances import Instances
from streamer.sinks.coco_masks import crops, rles

Kind = Literal["bbox", "segm"]


@dataclass(frozen=True, slots=True)
class Picture:
    """Size in pixels of all frames."""

    width: int
    height: int


def average_precision(
    found: Sequence[Instances], truth: Sequence[Instances], picture: Picture, kind: Kind = "bbox", class_id: int | None = None
) -> float:
    """AP at IoU 0.5 of the instances found in each frame against those that are there; of one class or all. 0 without truth."""
    frames = [{"id": i, "width": picture.width, "height": picture.height} for i in range(len(truth))]
    wanted = [_rows(instances, picture, kind, class_id) for instances in truth]
    answers = [_rows(instances, picture, kind, class_id) for instances in found]
    annotations = [
        {**row, "id": number, "image_id": i, "iscrowd": 0}
        for number, (i, row) in enumerate(((i, row) for i, rows in enumerate(wanted) for row in rows), start=1)
    ]
    results = [{**row, "image_id": i} for i, rows in enumerate(answers) for row in rows]
    if not annotations or not results:
        return 0.0
    classes = sorted({row["category_id"] for row in annotations})
    with contextlib.redirect_stdout(io.StringIO()):  # it prints tables of its own
        coco = COCO()
        coco.dataset = {
            "images": frames,
            "annotations": annotations,
            "categories": [{"id": c, "name": str(c)} for c in classes],
        }
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(results), kind)
        judge.params.iouThrs = np.array([0.5])
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.params.maxDets = [100]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"]
    known = precision[precision > -1]
    return float(known.mean()) if known.size else 0.0


def _rows(instances: Instances, picture: Picture, kind: Kind, class_id: int | None) -> list[dict[str, Any]]:
    outlines = rles(crops(instances, picture.width, picture.height), picture.width, picture.height)
    rows = []
    for i, (x0, y0, x1, y1) in enumerate(instances.boxes_xyxy.tolist()):
        if class_id is not None and int(instances.class_ids[i]) != class_id:
            continue
        row: dict[str, Any] = {
            "category_id": int(instances.class_ids[i]),
            "score": float(instances.scores[i]),
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": (x1 - x0) * (y1 - y0),
        }
        if kind == "segm":
            if outlines[i] is None:
                continue
            row["segmentation"] = outlines[i]
        rows.append(row)
    return rows


def read_mot(path: Path, frames: int, class_id: int) -> list[Instances]:
    """Ground truth in MOT's text format: ``frame, id, left, top, width, height, counts[, class, visibility]``, frames from 1.

    Rows that do not count (0) and, where there is a class, those that are no pedestrians (1) are left out. Raises
    ``ValueError`` naming the line.
    """
    boxes: list[list[tuple[float, float, float, float]]] = [[] for _ in range(frames)]
    ids: list[list[int]] = [[] for _ in range(frames)]
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            frame, track, left, top, width, height, counts, *rest = (float(value) for value in line.split(","))
        except ValueError as error:
            raise ValueError(
                f"{path}:{number}: expected frame, id, left, top, width, height, counts, ..., got {line!r}"
            ) from error
        if counts == 0 or (rest and rest[0] > 1) or not 1 <= frame <= frames:
            continue
        boxes[int(frame) - 1].append((left, top, left + width, top + height))
        ids[int(frame) - 1].append(int(track))
    return [
        Instances(
            boxes_xyxy=np.array(rows, np.float32).reshape(-1, 4),
            scores=np.ones(len(rows), np.float32),
            class_ids=np.full(len(rows), class_id, np.int64),
            track_ids=np.array(tracks, np.int64),
        )
        for rows, tracks in zip(boxes, ids, strict=True)
    ]
