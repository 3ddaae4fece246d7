"""What a line of records says, as exporters want it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer.sinks.coco_masks import Crop, pixels_in, tight_box
from streamer.sinks.stored import run_lengths

OTHER_BOX = "in the box of their mask's pixels, not in their own"
_MOVED_PX = 1.0
"""How far an edge of a box may be from that of its mask's pixels before it is told."""
_NAME = re.compile(r"(?:.*[^A-Za-z0-9])?frame_([0-9]{1,18})(?:[^A-Za-z0-9].*)?", re.DOTALL)
"""Some tools put something before or behind a name: ``1a2b3c4d-frame_000012.jpg``, ``frame_000012_jpg.rf.1a2b3c4d.jpg``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object of one frame."""

    class_id: int
    class_name: str
    score: float
    """0..1."""
    box_xyxy: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels of the displayed picture, right and bottom exclusive."""
    track_id: int | None
    followed: bool
    """Carried here from another frame, not detected in this one."""
    mask: Mapping[str, Any] | None
    """As records hold it: run lengths or polygons; None where only the box is known."""

    def crop(self) -> Crop | None:
        """The part of the mask in which anything is set; None where nothing is, or only the box is known. Raises ``ValueError``
        if damaged."""
        if self.mask is None:
            return None
        rle = run_lengths(self.mask)
        box = tight_box(rle)
        if box is None:
            return None
        x0, y0, x1, y1 = map(int, box)
        return Crop(x0, y0, pixels_in(rle, x0, y0, x1, y1).astype(np.bool_))

    def has_other_box(self, crop: Crop) -> bool:
        """Whether its box is not that of its mask's pixels, ``crop``: formats that hold only one of both lose the other."""
        height, width = crop.mask.shape
        box = crop.x0, crop.y0, crop.x0 + width, crop.y0 + height
        return any(abs(own - other) > _MOVED_PX for own, other in zip(self.box_xyxy, box, strict=True))

    @classmethod
    def of(cls, one: Mapping[str, Any]) -> StoredObject:
        """The object of an item of a line's ``instances``."""
        left, top, right, bottom = one["box_xyxy"]
        return cls(
            class_id=one["class_id"],
            class_name=one["class"],
            score=one["score"],
            box_xyxy=(left, top, right, bottom),
            track_id=one.get("track_id"),
            followed=one.get("state") == "followed",
            mask=one.get("mask"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFrame:
    """A frame with its objects."""

    index: int
    """Index of the frame in the recording, from 0."""
    pts: int
    time_s: float
    objects: tuple[StoredObject, ...]

    @property
    def name(self) -> str:
        """What its picture is called, without the ending."""
        return f"frame_{self.index:06d}"

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> StoredFrame:
        """The frame of a line."""
        objects = tuple(map(StoredObject.of, line["instances"]))
        return cls(index=line["frame"], pts=line["pts"], time_s=line["time_s"], objects=objects)


def frame_of_name(name: str) -> int | None:
    """Index of the frame whose picture or labels have this name; None where it tells none."""
    named = _NAME.fullmatch(Path(name).stem)
    return None if named is None else int(named[1])
