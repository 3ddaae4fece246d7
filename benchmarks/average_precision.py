"""Average precision at IoU 0.5, by COCO's rules (101-point interpolation, mean over classes)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamer.comparison.average_precision import AveragePrecision
from streamer.comparison.objects import mask_overlaps
from streamer.follow.boxes import overlaps
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
    judges: dict[int, AveragePrecision] = {}
    for shown, true in zip(found, truth, strict=True):
        for one in sorted({*shown.class_ids.tolist(), *true.class_ids.tolist()}):
            if class_id is None or one == class_id:
                ours, theirs = true[true.class_ids == one], shown[shown.class_ids == one]
                if one not in judges:
                    judges[one] = AveragePrecision(np.array([0.5]))
                judges[one].add(*_overlaps(ours, theirs, picture, kind))
    known = [figure for judge in judges.values() if not np.isnan(figure := float(judge.figures()[0]))]
    return float(np.mean(known)) if known else 0.0


def _overlaps(
    truth: Instances, found: Instances, picture: Picture, kind: Kind
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """IoU (T, J) and the scores (J,) of what was found; of masks, where there are any."""
    scores = found.scores.astype(np.float64)
    if kind == "bbox":
        iou, _ = overlaps(truth.boxes_xyxy.astype(np.float64), found.boxes_xyxy.astype(np.float64))
        return iou, scores
    ours, theirs = (rles(crops(each, picture.width, picture.height), picture.width, picture.height) for each in (truth, found))
    masked = np.array([mask is not None for mask in theirs], np.bool_)
    return mask_overlaps([mask for mask in ours if mask is not None], [mask for mask in theirs if mask is not None]), scores[
        masked
    ]


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
