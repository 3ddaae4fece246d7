"""YOLO: a text file for each picture, boxes or outlines as shares of it, and ``data.yaml``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.datasets.dataset import DatasetInfo
from streamer.datasets.stored_frame import OTHER_BOX, StoredFrame, StoredObject
from streamer.sinks.coco_masks import Crop

_INSIDE = 0.25
"""Readers of outlines cut or round to whole pixels: points this far into their pixel come out right with both."""


class YoloDataset:
    """Implements ``Dataset``: ``labels/train`` and ``images/train``. A frame without objects has an empty file.

    Classes are counted from 0 in the order of their ids; an outline is that of an object's largest part, without its holes.
    """

    def __init__(self, info: DatasetInfo, *, outlines: bool) -> None:
        """``outlines``: for segmentation, else for detection."""
        self.lost: Counter[str] = Counter()
        self._info = info
        self._outlines = outlines
        self._numbers = {class_id: number for number, class_id in enumerate(sorted(info.labels))}
        self._labels = info.folder / "labels" / "train"
        self._labels.mkdir(parents=True)

    def picture(self, frame: StoredFrame) -> Path:
        """In ``images/train``."""
        return self._info.folder / "images" / "train" / f"{frame.name}.jpg"

    def add(self, frame: StoredFrame) -> None:
        """Write the file of a frame."""
        lines = []
        for one in frame.objects:
            values = self._outline(one) if self._outlines else self._box(one)
            if values is None:
                self.lost["left out, since they have no mask"] += 1
                continue
            if one.track_id is not None:
                self.lost["without their track"] += 1
            if one.mask is not None and not self._outlines:
                self.lost["without their mask"] += 1
            self.lost["without their score"] += 1
            number = self._numbers.setdefault(one.class_id, len(self._numbers))
            lines.append(" ".join([str(number), *(f"{value:.6f}" for value in values)]))
        (self._labels / f"{frame.name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")

    def finish(self) -> None:
        """Write ``data.yaml``. Its folders are relative to itself: it may be moved."""
        names = [f"  {number}: {_quoted(self._info.labels[class_id])}\n" for class_id, number in self._numbers.items()]
        text = f"train: images/train\nval: images/train\nnames:\n{''.join(names)}"
        (self._info.folder / "data.yaml").write_text(text, encoding="utf-8")

    def close(self) -> None:
        """Nothing is held open."""

    def _box(self, one: StoredObject) -> list[float]:
        left, top, right, bottom = one.box_xyxy
        width, height = self._info.width, self._info.height
        return [(left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height]

    def _outline(self, one: StoredObject) -> list[float] | None:
        crop = one.crop()
        if crop is None:
            return None
        ring, parts, holes = _largest_ring(crop)
        if parts > 1:
            self.lost["without their smaller parts"] += 1
        if one.has_other_box(crop):
            self.lost[OTHER_BOX] += 1
        if holes:
            self.lost["with their holes filled"] += 1
        points = (ring + _INSIDE) / (self._info.width, self._info.height)
        return points.ravel().tolist()


def _quoted(name: str) -> str:
    """A name as YAML's double quotes hold it: readers take JSON's escapes of characters beyond 16 bits for two others."""
    return json.dumps(name, ensure_ascii=False)


def _largest_ring(crop: Crop) -> tuple[NDArray[np.float64], int, int]:
    """The outer ring (n, 2) of the largest part, through the numbers of its pixels; how many parts and holes there are."""
    place = crop.x0, crop.y0
    rings, hierarchy = cv2.findContours(crop.mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=place)
    outer = [ring for ring, (_, _, _, parent) in zip(rings, np.asarray(hierarchy)[0], strict=True) if parent < 0]
    # Of a ring through pixels' middles, half of its length lies outside of the area.
    largest = max(outer, key=lambda ring: cv2.contourArea(ring) + len(ring) / 2)
    points = np.asarray(largest, np.float64).reshape(-1, 2)
    # Readers leave out what has fewer than three points: a line is gone along twice.
    while len(points) < 3:
        points = np.concatenate([points, points[:1]])
    return points, len(outer), len(rings) - len(outer)
