"""COCO instances, read back."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from streamer.datasets.corrected import CorrectedObject, mask_and_box
from streamer.frame import Plane
from streamer.sinks.coco_masks import Rle, pixels, pixels_within

_NAME = re.compile(r"frame_(\d+)")


class CocoReader:
    """The objects of a COCO file by frame. The file is read as a whole: it takes several times its size of memory."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        """``size``: width and height of the recording's picture.

        Raises ``ValueError``, ``KeyError`` or ``TypeError`` for a file that is none, and ``OSError``.
        """
        data = json.loads(path.read_bytes())
        self.lost: Counter[str] = Counter()
        self._size = size
        self._names: dict[int, str] = {one["id"]: one["name"] for one in data["categories"]}
        frames = {image["id"]: _frame_of(image) for image in data["images"]}
        self._by_frame: dict[int, list[Mapping[str, Any]]] = {frame: [] for frame in frames.values()}
        for one in data["annotations"]:
            self._by_frame[frames[one["image_id"]]].append(one)

    @property
    def frames(self) -> set[int]:
        """Indices of the frames that the file has, also of those without objects."""
        return set(self._by_frame)

    def objects(self, frame: int) -> list[CorrectedObject]:
        """The objects of a frame."""
        return [self._object(one) for one in self._by_frame.get(frame, ())]

    def _object(self, one: Mapping[str, Any]) -> CorrectedObject:
        picture = self._pixels(one.get("segmentation"))
        outline = None if picture is None else mask_and_box(picture)
        if outline is not None:
            mask, box = outline
        else:
            left, top, width, height = map(float, one["bbox"])
            mask, box = None, (left, top, left + width, top + height)
        track = one.get("track_id", one.get("attributes", {}).get("track_id"))
        return CorrectedObject(
            class_name=self._names[one["category_id"]],
            score=float(one.get("score", 1.0)),
            track="" if track is None else str(track),
            track_id=None if track is None else int(track),
            box_xyxy=box,
            mask=mask,
        )

    def _pixels(self, outline: Any) -> Plane | None:
        if not outline:
            return None
        width, height = self._size
        if isinstance(outline, list):
            return pixels_within(outline, width, height)
        if isinstance(outline["counts"], list):
            outline = coco_mask.frPyObjects(outline, *outline["size"])
            outline["counts"] = outline["counts"].decode("ascii")
        if list(outline["size"]) != [height, width]:
            raise ValueError(f"a mask of {outline['size']} in a picture of {[height, width]}")
        return pixels(Rle(size=[height, width], counts=outline["counts"]))


def _frame_of(image: Mapping[str, Any]) -> int:
    """Index of the frame of an image: by its name, which all tools keep, else by our field."""
    named = _NAME.fullmatch(Path(image["file_name"]).stem)
    return int(named[1]) if named is not None else int(image["frame"])
