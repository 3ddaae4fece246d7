"""Records read back: the instances of each frame, as they were drawn."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamer.errors import SourceNotFound, StreamerError
from streamer.frame import Plane
from streamer.instances import NO_TRACK, Floats, Instances
from streamer.render.cover import Cover
from streamer.render.masks import pixels_of
from streamer.sinks.coco_masks import Rle, pixels, pixels_in, pixels_within, refuse_damaged, rle_within
from streamer.sinks.packed import unpack_cover, unpack_masks
from streamer.sinks.records import read_records, refuse_without_positions

_MOST_CELLS = 192
"""Cells a side of a mask that is made from a picture's pixels."""


class StoredRecords:
    """The stream line of a records file, and its frames one by one: memory does not grow with the file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises as ``read_records`` does, ``StreamerError`` for an empty file, ``ConfigError`` for one without positions, and
        ``SourceNotFound`` for a pipe."""
        self.path = os.fspath(path)
        refuse_pipe(path)
        stream = next(read_records(path), None)
        if stream is None:
            raise StreamerError(f"{self.path} is empty", hint="the run that wrote it had no frame")
        refuse_without_positions(path, stream)
        self.stream: Mapping[str, Any] = stream
        self.schema: int = stream["schema"]
        self.name: str = stream["detector"]
        """Name of the detector."""
        self.size: tuple[int, int] = stream["width"], stream["height"]
        """Width and height of the displayed picture, pixels."""
        self.time_base = Fraction(stream["time_base"])
        self.shift_s = Fraction(stream.get("shift_s", "0"))
        """Seconds that were taken from every time of the recording, since the run began later in it."""
        self.end: Mapping[str, Any] | None = None
        """The end line, once :meth:`frames` has come to it; None of a run that was killed."""
        self.labels = self._labels()

    @property
    def whole(self) -> bool:
        """Once all frames were read: whether the run had all of its recording."""
        return self.end is not None and not self.end.get("interrupted", False)

    def frames(self, *, on_read: Callable[[float], None] | None = None) -> Iterator[dict[str, Any]]:
        """The lines of the frames, in order; ``on_read`` as ``read_records`` has it.

        Raises ``StreamerError`` for a file that is damaged.
        """
        for line in read_records(self.path, on_read=on_read):
            if line["type"] == "frame":
                yield line
            elif line["type"] == "end":
                self.end = line

    def time_s(self, line: Mapping[str, Any]) -> Fraction:
        """When a frame is shown, in seconds of the recording's own clock, exactly."""
        return int(line["pts"]) * self.time_base + self.shift_s

    def instances(self, line: Mapping[str, Any]) -> Instances:
        """What was drawn of a frame: equal to the run's, but for masks of records of schema 1, made from whole pixels.

        Raises ``StreamerError`` for a line that is damaged.
        """
        try:
            return self._instances(line["instances"])
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise StreamerError(
                f"{self.path}: frame {line.get('frame')} cannot be read: {error!r}", hint="the file is damaged"
            ) from error

    def cover(self, line: Mapping[str, Any]) -> Cover | None:
        """What was covered of a frame; None where the run had no privacy. Raises ``StreamerError`` for a damaged line."""
        if "cover" not in line:
            return None
        try:
            return unpack_cover(line["cover"])
        except (ValueError, KeyError, TypeError) as error:
            raise StreamerError(
                f"{self.path}: the cover of frame {line.get('frame')} cannot be read: {error!r}", hint="the file is damaged"
            ) from error

    def _instances(self, found: list[dict[str, Any]]) -> Instances:
        if not found:
            return Instances.empty()
        boxes = np.array([one.get("full_box_xyxy", one["box_xyxy"]) for one in found], np.float32)
        packed = iter(unpack_masks([one["cells"] for one in found if one.get("cells")]))
        masks = [
            next(packed) if one.get("cells") else self._from_pixels(one, box) for one, box in zip(found, boxes, strict=True)
        ]
        side = max((len(mask) for mask in masks if mask is not None), default=0)
        return Instances(
            boxes_xyxy=boxes,
            scores=np.array([one["score"] for one in found], np.float32),
            class_ids=np.array([one["class_id"] for one in found], np.int64),
            masks=None if side == 0 else np.stack([_sized(mask, side) for mask in masks]),
            has_mask=np.array([mask is not None for mask in masks]),
            track_ids=np.array([NO_TRACK if one.get("track_id") is None else one["track_id"] for one in found], np.int64),
            mask_age_s=np.array([one.get("mask_age_s", 0.0) for one in found], np.float32),
            followed=np.array([one.get("state") == "followed" for one in found]),
            mask_carried=np.array([bool(one.get("mask_carried", False)) for one in found]),
            opacity=np.array([one.get("opacity", 1.0) for one in found], np.float32),
        )

    def _from_pixels(self, one: Mapping[str, Any], box: Floats) -> Floats | None:
        """A box-relative mask from that of the whole picture; None where there is none, or nothing of it is in the box."""
        if one.get("mask") is None:
            return None
        mask = run_lengths(one["mask"])
        region = pixels_of(box.tolist(), 1, *self.size)
        if mask["size"] != [self.size[1], self.size[0]]:
            raise ValueError(f"a mask of {mask['size'][1]}x{mask['size'][0]} in a picture of {self.size[0]}x{self.size[1]}")
        left, top, right, bottom = box.tolist()
        if region.y1 <= region.y0 or region.x1 <= region.x0:
            return None
        pixels = pixels_in(mask, region.x0, region.y0, region.x1, region.y1).astype(np.float32)
        if not pixels.any() or right <= left or bottom <= top:
            return None
        side = int(np.clip(np.ceil(max(right - left, bottom - top)), 16, _MOST_CELLS))
        across, down = (right - left) / side, (bottom - top) / side
        to_pixels = np.array(
            [
                [across, 0.0, left - region.x0 + across / 2 - 0.5],
                [0.0, down, top - region.y0 + down / 2 - 0.5],
            ]
        )
        cells = cv2.warpAffine(pixels, to_pixels, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        return np.asarray(cells, np.float32)

    def _labels(self) -> dict[int, str]:
        if self.stream.get("labels"):
            return {int(class_id): name for class_id, name in self.stream["labels"].items()}
        # Schema 1 names classes only where they were found, as where a live run began before its detector was there.
        return {one["class_id"]: one["class"] for line in self.frames() for one in line["instances"]}


def refuse_pipe(path: str | os.PathLike[str]) -> None:
    """Raise ``SourceNotFound`` for a pipe or a device, which cannot be read from its beginning again. What is not there is
    left to whoever opens it."""
    with suppress(OSError, ValueError):
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise SourceNotFound(f"{os.fspath(path)} is no file, and is read more than once", hint="write it to a file first")


def decoded(mask: Mapping[str, Any]) -> Plane:
    """The pixels, uint8 (height, width) of 0 and 1, of a mask as records hold it: run lengths or polygons.

    Raises ``ValueError`` or ``KeyError`` for anything else.
    """
    height, width = mask["size"]
    if "counts" in mask:
        return pixels(Rle(size=[height, width], counts=mask["counts"]))
    return pixels_within(mask["polygons"], width, height)


def run_lengths(mask: Mapping[str, Any]) -> Rle:
    """A mask as records hold it, run lengths or polygons, as run lengths that fill their picture.

    Raises ``ValueError`` or ``KeyError`` for anything else.
    """
    height, width = mask["size"]
    if "counts" in mask:
        rle = Rle(size=[height, width], counts=mask["counts"])
        refuse_damaged(rle)
        return rle
    return rle_within(mask["polygons"], width, height)


def _sized(mask: Floats | None, side: int) -> Floats:
    """A mask of ``side`` x ``side`` cells."""
    if mask is None:
        return np.zeros((side, side), np.float32)
    if len(mask) == side:
        return mask
    return np.asarray(cv2.resize(mask, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)
