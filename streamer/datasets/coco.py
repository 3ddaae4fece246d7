"""COCO instances: ``annotations.json``, and pictures in ``images``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from streamer.datasets.dataset import DatasetInfo
from streamer.datasets.stored_frame import StoredFrame, StoredObject
from streamer.sinks.coco_masks import rle_within


class CocoDataset:
    """Implements ``Dataset``. Masks are exact where the records hold run lengths.

    Beside COCO's own fields stand ``frame``, ``pts`` and ``time_s`` of an image, and ``track_id``, ``score`` and ``followed``
    of an annotation. Annotations are counted from 1: COCO's own evaluation takes an id of 0 for no match.
    """

    def __init__(self, info: DatasetInfo) -> None:
        self.lost: Counter[str] = Counter()
        self._info = info
        self._size = [info.height, info.width]
        self._images = (info.folder / "annotations.json").open("x", encoding="utf-8")
        # One object holds both lists: the second waits in a file of its own.
        self._rest = info.folder / ".annotations"
        self._annotations = self._rest.open("x+", encoding="utf-8")
        self._next_id = 1
        self._images.write('{"info":' + _json({"description": info.source}) + ',"images":[')
        self._first = True

    def picture(self, frame: StoredFrame) -> Path:
        """In ``images``."""
        return self._info.folder / "images" / f"{frame.name}.jpg"

    def add(self, frame: StoredFrame) -> None:
        """Write an image and its annotations."""
        image = {"id": frame.index, "file_name": f"{frame.name}.jpg", "width": self._info.width, "height": self._info.height}
        times = {"frame": frame.index, "pts": frame.pts, "time_s": frame.time_s}
        self._images.write(("" if self._first else ",") + "\n" + _json({**image, **times}))
        self._first = False
        for one in frame.objects:
            self._annotations.write(("" if self._next_id == 1 else ",") + "\n" + _json(self._annotation(frame, one)))
            self._next_id += 1

    def finish(self) -> None:
        """Join both lists."""
        self._images.write('],\n"annotations":[')
        self._annotations.seek(0)
        while part := self._annotations.read(1 << 20):
            self._images.write(part)
        categories = [{"id": class_id, "name": name} for class_id, name in sorted(self._info.labels.items())]
        self._images.write('],\n"categories":' + _json(categories) + "}\n")
        self.close()
        self._rest.unlink()

    def close(self) -> None:
        """Close both files."""
        self._images.close()
        self._annotations.close()

    def _annotation(self, frame: StoredFrame, one: StoredObject) -> dict[str, object]:
        left, top, right, bottom = one.box_xyxy
        width, height = round(right - left, 2), round(bottom - top, 2)
        outline, area = self._outline(one.mask)
        if outline is None:
            self.lost["without a mask: only their boxes are there"] += 1
        return {
            "id": self._next_id,
            "image_id": frame.index,
            "category_id": one.class_id,
            "bbox": [left, top, width, height],
            "area": round(width * height, 2) if area is None else area,
            "segmentation": [] if outline is None else outline,
            "iscrowd": 0,
            "track_id": one.track_id,
            "score": one.score,
            "followed": one.followed,
        }

    def _outline(self, mask: Any) -> tuple[object, float | None]:
        """The mask as COCO writes it, and its area in pixels; None where there is none."""
        if mask is None:
            return None, None
        if "counts" in mask:
            outline = {"size": self._size, "counts": mask["counts"]}
            area = int(coco_mask.area(outline))
            return (outline, area) if area else (None, None)
        polygons = [outline for outline in mask["polygons"] if len(outline) >= 6]
        if not polygons:
            return None, None
        return polygons, int(coco_mask.area(rle_within(polygons, self._info.width, self._info.height)))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))
