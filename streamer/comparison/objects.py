"""The objects of one frame of records, as they are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from streamer.instances import NO_TRACK
from streamer.sinks.coco_masks import Rle
from streamer.sinks.stored import run_lengths

Floats64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """N objects of one frame."""

    names: tuple[str, ...]
    """Their classes."""
    boxes_xywh: Floats64
    """(N, 4): left, top, width, height in pixels."""
    scores: Floats64
    """(N,): 0..1."""
    tracks: NDArray[np.int64]
    """(N,): identities, each at most once in a class, or ``NO_TRACK``."""
    masks: tuple[Rle | None, ...]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, line: Mapping[str, Any], size: tuple[int, int]) -> tuple[Objects, int]:
        """The objects of a line of records with pictures of that width and height, and how many have a track that another one
        of their class has in this frame: theirs is left out. Raises ``ValueError`` or ``KeyError`` for damaged masks."""
        found = line["instances"]
        edges = np.array([one["box_xyxy"] for one in found], np.float64).reshape(-1, 4)
        tracks: list[int] = []
        seen: set[tuple[str, int]] = set()
        for one in found:
            track = one.get("track_id")
            key = one["class"], track
            tracks.append(NO_TRACK if track is None or track < 0 or key in seen else track)
            seen.add(key)
        again = sum((one.get("track_id") or 0) >= 0 for one in found if one.get("track_id") is not None)
        return cls(
            names=tuple(one["class"] for one in found),
            boxes_xywh=np.concatenate([edges[:, :2], np.maximum(0.0, edges[:, 2:] - edges[:, :2])], axis=1),
            scores=np.array([one["score"] for one in found], np.float64),
            tracks=np.array(tracks, np.int64),
            masks=tuple(_mask(one.get("mask"), size) for one in found),
        ), again - sum(track != NO_TRACK for track in tracks)

    def rows_of(self, name: str) -> NDArray[np.int64]:
        """Which of them are of a class."""
        return np.array([row for row, own in enumerate(self.names) if own == name], np.int64)


def box_overlaps(truth: Objects, judged: Objects) -> Floats64:
    """IoU (T, J) of all boxes."""
    if not len(truth) or not len(judged):
        return np.zeros((len(truth), len(judged)))
    iou = coco_mask.iou(truth.boxes_xywh, judged.boxes_xywh, np.zeros(len(judged), np.uint8))
    return np.nan_to_num(np.asarray(iou, np.float64))  # two boxes without an area


def mask_overlaps(truth: list[Rle], judged: list[Rle]) -> Floats64:
    """IoU (T, J) of masks."""
    if not truth or not judged:
        return np.zeros((len(truth), len(judged)))
    return np.nan_to_num(np.asarray(coco_mask.iou(truth, judged, [0] * len(judged)), np.float64))


def _mask(mask: Mapping[str, Any] | None, size: tuple[int, int]) -> Rle | None:
    if mask is None:
        return None
    rle = run_lengths(mask)
    if rle["size"] != [size[1], size[0]]:
        raise ValueError(f"a mask of {rle['size'][1]}x{rle['size'][0]} in a picture of {size[0]}x{size[1]}")
    return rle
