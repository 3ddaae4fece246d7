"""YouTube-VIS: ``annotations.json`` with one annotation for each track, and pictures in ``images``."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from streamer.datasets.dataset import DatasetInfo
from streamer.datasets.stored_frame import StoredFrame, StoredObject
from streamer.datasets.waiting_shapes import TrackKey, TrackKeys, WaitingShapes
from streamer.sinks.coco_masks import uncompressed
from streamer.sinks.stored import run_lengths

_LISTS = ("segmentations", "bboxes", "areas", "scores")
"""What an annotation has for each frame; the last is a field of our own."""
_BETWEEN = "\t"
"""Stands between the entries of a shape that waits."""


class YoutubeVisDataset:
    """Implements ``Dataset``. Masks are exact, as lists of run lengths: readers take the truth in no other way.

    An annotation's id is the track where no other class has the same one; ``track_id``, ``scores`` and, of the video,
    ``pts`` are fields of our own. Each class of a track is an annotation of its own. Shapes wait in a file.
    """

    def __init__(self, info: DatasetInfo) -> None:
        self.lost: Counter[str] = Counter()
        self._info = info
        self._shapes = WaitingShapes[TrackKey](info.folder)
        """By class, track and a number for what has none."""
        self._keys = TrackKeys()
        self._indices, self._pts = array("q"), array("q")

    def picture(self, frame: StoredFrame) -> Path:
        """In ``images``."""
        return self._info.folder / "images" / f"{frame.name}.jpg"

    def add(self, frame: StoredFrame) -> None:
        """Keep the shapes of a frame: they are joined to tracks at the end."""
        alone = self._keys.alone
        for one, key in self._keys.of(frame.objects):
            self._shapes.add(key, len(self._indices), _BETWEEN.join(map(_json, self._shape(one))))
        if self._keys.alone > alone:
            self.lost["an annotation of one frame each, since they have no track of their own"] += self._keys.alone - alone
        self._indices.append(frame.index)
        self._pts.append(frame.pts)

    def finish(self) -> None:
        """Write the file."""
        info = self._info
        with (info.folder / "annotations.json").open("x", encoding="utf-8") as file:
            names = (_json(f"frame_{index:06d}.jpg") for index in self._indices)
            video = {"id": 1, "width": info.width, "height": info.height, "length": len(self._indices)}
            file.write('{"info":' + _json({"description": info.source}) + ',"videos":[' + _json(video)[:-1] + ',"file_names":[')
            _write_all(file.write, names)
            file.write('],"pts":[')
            _write_all(file.write, map(str, self._pts))
            categories = [{"id": class_id, "name": name} for class_id, name in sorted(info.labels.items())]
            file.write(']}],\n"categories":' + _json(categories) + ',\n"annotations":[')
            keys = list(self._shapes)
            free = max((track for _, track, _ in keys if track is not None), default=0) + 1
            taken: set[int] = set()
            for number, key in enumerate(keys):
                class_id, track, alone = key
                name = None if alone else track
                if name is None or name < 1 or name in taken:
                    name, free = max(1, free), max(1, free) + 1
                taken.add(name)
                said = {"id": name, "video_id": 1, "category_id": class_id, "iscrowd": 0, "track_id": track}
                file.write((",\n" if number else "\n") + _json({**said, "width": info.width, "height": info.height})[:-1])
                for column, title in enumerate(_LISTS):
                    file.write(f',"{title}":[')
                    _write_all(file.write, self._in_each_frame(key, column))
                    file.write("]")
                file.write("}")
            file.write("]}\n")
        self._shapes.remove()

    def close(self) -> None:
        """Close the file of shapes."""
        self._shapes.close()

    def _shape(self, one: StoredObject) -> list[Any]:
        left, top, right, bottom = one.box_xyxy
        box = [left, top, round(right - left, 2), round(bottom - top, 2)]
        rle = None if one.mask is None else run_lengths(one.mask)
        area = 0 if rle is None else int(coco_mask.area(rle))
        if rle is None or not area:
            self.lost["without a mask: only their boxes are there"] += 1
            return [None, box, round(box[2] * box[3], 2), one.score]
        return [{"size": rle["size"], "counts": uncompressed(rle)}, box, area, one.score]

    def _in_each_frame(self, key: TrackKey, column: int) -> Iterator[str]:
        """The entries of a list; nulls that follow one another are one text."""
        frame = 0
        for at, shape in self._shapes.of(key):
            if at > frame:
                yield ",".join(["null"] * (at - frame))
            yield shape.split(_BETWEEN, column + 1)[column]
            frame = at + 1
        if frame < len(self._indices):
            yield ",".join(["null"] * (len(self._indices) - frame))


def _write_all(write: Any, parts: Iterator[str]) -> None:
    for number, part in enumerate(parts):
        write(("," if number else "") + part)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))
