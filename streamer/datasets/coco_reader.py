"""COCO instances, read back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from streamer.datasets.corrected import OUTSIDE, CorrectedObject, box_around, box_within, refuse_another_size, track_of
from streamer.datasets.json_walk import JsonWalk
from streamer.datasets.spans_by_frame import SpansByFrame
from streamer.datasets.stored_frame import frame_of_name
from streamer.sinks.coco_masks import Rle, rle_within, tight_box
from streamer.sinks.stored import StoredRecords


class CocoReader:
    """The objects of a COCO file by frame. Annotations stay in the file until their frame comes."""

    by_place = False
    names_empty_frames = True

    def __init__(self, path: Path, stored: StoredRecords, _every: int) -> None:
        """Raises ``ValueError``, ``KeyError`` or ``TypeError`` for a file that is none, and ``OSError``."""
        self.lost: Counter[str] = Counter()
        self._size = stored.size
        self._names: dict[Any, str] = {}
        self._spans = SpansByFrame(path)
        # Annotations may come before images: they are noted by a number of their image, whose id may be anything.
        self._numbers: dict[Any, int] = {}
        self._images_of: dict[int, list[int]] = {}
        with path.open("rb") as file:
            found = self._walk(JsonWalk(file))
        for key in ("categories", "images", "annotations"):
            if key not in found:
                raise KeyError(key)
        self._spans.finish()
        known = {number for numbers in self._images_of.values() for number in numbers}
        for image_id, number in self._numbers.items():
            if number not in known:
                raise ValueError(f"annotations are of the image {image_id!r}, which is not in it")

    def _walk(self, walk: JsonWalk) -> set[str]:
        """Note what the file has, and where; the names of its parts."""
        found = set()
        for key in walk.entries():
            found.add(key)
            if key == "categories":
                self._names |= names_of(walk.value())
            elif key == "images":
                for _ in walk.elements():
                    image = walk.value()
                    if "width" in image and "height" in image:
                        refuse_another_size((image["width"], image["height"]), self._size)
                    self._images_of.setdefault(_frame_of(image), []).append(self._number(image["id"]))
            elif key == "annotations":
                for _ in walk.elements():
                    self._spans.add(self._number(walk.value()["image_id"]), *walk.span)
        walk.finish()
        return found

    def _number(self, image_id: Any) -> int:
        return self._numbers.setdefault(image_id, len(self._numbers))

    @property
    def frames(self) -> set[int]:
        """Indices of the frames that the file has, also of those without objects."""
        return set(self._images_of)

    def objects(self, frame: int) -> list[CorrectedObject]:
        """The objects of a frame."""
        pieces = [piece for number in self._images_of.get(frame, ()) for piece in self._spans.pieces(number)]
        made = [self._object(json.loads(piece.content)) for piece in pieces]
        self.lost[OUTSIDE] += made.count(None)
        return [one for one in made if one is not None]

    def _object(self, one: Mapping[str, Any]) -> CorrectedObject | None:
        mask = outline_of(one.get("segmentation"), self._size)
        box = None if mask is None else tight_box(mask)
        if box is not None:
            box = box_around(box, one.get("bbox"), self._size)
        else:
            left, top, width, height = map(float, one["bbox"])
            mask, box = None, box_within(left, top, left + width, top + height, self._size)
            if box is None:
                return None
        said = one.get("attributes")
        track, track_id = track_of(one.get("track_id", said.get("track_id") if isinstance(said, dict) else None))
        score = one.get("score")
        return CorrectedObject(
            class_name=self._names[one["category_id"]],
            score=1.0 if score is None else float(score),
            track=track,
            track_id=track_id,
            box_xyxy=box,
            mask=mask,
        )


def names_of(categories: Any) -> dict[Any, str]:
    """Ids of categories to their names. Raises ``ValueError`` and the like for what are none."""
    names = {one["id"]: one["name"] for one in categories}
    if wrong := [name for name in names.values() if not isinstance(name, str)]:
        raise ValueError(f"a category's name is {wrong[0]!r:.40}")
    return names


def outline_of(outline: Any, size: tuple[int, int]) -> Rle | None:
    """The mask of an annotation's polygons or run lengths in a picture of that width and height; None where it has none.

    Raises ``ValueError`` and the like for anything else.
    """
    if not outline:
        return None
    width, height = size
    if isinstance(outline, list):
        return rle_within(outline, width, height)
    if list(outline["size"]) != [height, width]:
        raise ValueError(f"a mask of {outline['size']} in a picture of {[height, width]}")
    counts = outline["counts"]
    if isinstance(counts, list):
        counts = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)["counts"].decode("ascii")
    return Rle(size=[height, width], counts=counts)


def _frame_of(image: Mapping[str, Any]) -> int:
    """Index of the frame of an image: by its name, which all tools keep, else by our field."""
    name = image["file_name"]
    named = frame_of_name(name)
    if named is None and "frame" not in image:
        raise ValueError(f"the picture's name {name!r:.80} tells no frame, as frame_000012.jpg does")
    return int(image["frame"]) if named is None else named
