"""Perception that has everything covered but some objects: a background that is blurred or filled."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import cv2
import numpy as np

from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.selection import Selection
from streamer.render.cover import Cover, Method, Shape, cell_px, grid_size, object_shape
from streamer.stages import Annotated, CanSkip, Perception

NOT_YET = Cover(whole="waiting for the detector")
"""Covers frames of a scene in which nobody has looked for the objects yet."""


class Background:
    """Says of each frame that all is to be covered but the objects of some classes (``Annotated.cover``).

    Fails closed: where the detector has not looked at the scene yet, or not for too long, the whole frame is covered.
    """

    def __init__(self, perception: Perception, kept: Collection[int], method: Method, show: Selection) -> None:
        """``perception`` gives the objects of the ``kept`` class ids and those that ``show`` shows."""
        self._perception = perception
        self._kept = np.array(sorted(kept), np.int64)
        self._method: Method = method
        self._show = show

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """The frames that are ready, with what must be covered."""
        return [self._covered(item) for item in self._perception.push(frame)]

    def skip(self, frame: Frame) -> Annotated:
        """``frame`` with what is known without looking at it, and what must be covered of it."""
        if isinstance(self._perception, CanSkip):
            return self._covered(self._perception.skip(frame))
        return Annotated(frame, Instances.empty(), cover=NOT_YET)

    def finish(self) -> Iterable[Annotated]:
        """The frames that were held back."""
        return [self._covered(item) for item in self._perception.finish()]

    def close(self) -> None:
        """Close the perception."""
        self._perception.close()

    def _covered(self, item: Annotated) -> Annotated:
        item.cover = NOT_YET if item.looked_s is None else self._around(item)
        item.instances = self._show(item.instances)
        return item

    def _around(self, item: Annotated) -> Cover:
        """What covers all but the kept objects."""
        width, height = item.frame.width, item.frame.height
        found = item.instances.usable(width, height)
        columns, rows = grid_size(width, height)
        covered = np.full((rows, columns), 255, np.uint8)
        for row in np.flatnonzero(np.isin(found.class_ids, self._kept)):
            mask = found.masks[row] if found.masks is not None and found.has_mask[row] else None
            shape = object_shape(found.boxes_xyxy[row], mask, 0.0, self._method, width, height)
            if shape is not None:
                part = covered[shape.y : shape.y + shape.mask.shape[0], shape.x : shape.x + shape.mask.shape[1]]
                cv2.subtract(part, shape.mask, dst=part)
        return Cover((Shape(0, 0, covered, self._method, cell_px(height)),))
