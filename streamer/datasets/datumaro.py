"""Datumaro's own format: ``annotations/default.json``, and pictures in ``images/default``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from streamer.datasets.dataset import DatasetInfo
from streamer.datasets.stored_frame import StoredFrame, StoredObject
from streamer.sinks.stored import run_lengths


class DatumaroDataset:
    """Implements ``Dataset``. Masks are exact; what has none is a box. ``track_id`` and ``score`` are attributes of an
    annotation, ``frame`` and ``pts`` of an item."""

    def __init__(self, info: DatasetInfo) -> None:
        self.lost: Counter[str] = Counter()
        self._info = info
        self._places: dict[int, int] = {}
        """By class id the place in the list of labels."""
        (info.folder / "annotations").mkdir()
        self._file = (info.folder / "annotations" / "default.json").open("x", encoding="utf-8")
        self._file.write('{"dm_format_version":"1.0","media_type":2,"infos":' + _json({"source": info.source}) + ',"items":[')
        self._first = True

    def picture(self, frame: StoredFrame) -> Path:
        """In ``images/default``."""
        return self._info.folder / "images" / "default" / f"{frame.name}.jpg"

    def add(self, frame: StoredFrame) -> None:
        """Write an item."""
        item = {
            "id": frame.name,
            "attr": {"frame": frame.index, "pts": frame.pts},
            "image": {"path": f"{frame.name}.jpg", "size": [self._info.height, self._info.width]},
            "annotations": [self._annotation(number, one) for number, one in enumerate(frame.objects, start=1)],
        }
        self._file.write(("\n" if self._first else ",\n") + _json(item))
        self._first = False

    def finish(self) -> None:
        """Write the labels."""
        for class_id in sorted(self._info.labels):
            self._place(class_id)
        labels = [{"name": self._info.labels[class_id], "parent": "", "attributes": []} for class_id in self._places]
        self._file.write('],\n"categories":' + _json({"label": {"labels": labels, "attributes": []}}) + "}\n")
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _place(self, class_id: int) -> int:
        return self._places.setdefault(class_id, len(self._places))

    def _annotation(self, number: int, one: StoredObject) -> dict[str, Any]:
        said: dict[str, Any] = {"score": one.score} if one.track_id is None else {"track_id": one.track_id, "score": one.score}
        made = {"id": number, "group": 0, "label_id": self._place(one.class_id), "z_order": 0, "attributes": said}
        rle = None if one.mask is None else run_lengths(one.mask)
        if rle is None or not coco_mask.area(rle):
            self.lost["boxes, since they have no mask"] += 1
            left, top, right, bottom = one.box_xyxy
            return {"type": "bbox", "bbox": [left, top, round(right - left, 2), round(bottom - top, 2)], **made}
        return {"type": "mask", "rle": {"size": list(rle["size"]), "counts": rle["counts"]}, **made}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))
