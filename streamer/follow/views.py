"""From tracks to the instances of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from streamer.follow.flow import LowResFrame
from streamer.follow.motion import Doubles, Singles
from streamer.follow.tracks import Track
from streamer.instances import MIN_SIDE_PX, Instances, resampled


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class View:
    """One track as it is shown in one frame."""

    track_id: int
    class_id: int
    score: float
    box_xyxy: Doubles
    """Picture pixels; may reach over the edge."""
    mask: Singles | None
    """(M, M) of that box."""
    mask_age_s: float
    followed: bool
    mask_carried: bool
    """Whether the mask was seen in another frame."""
    gone: float
    """How far it has moved against the background since its mask was detected, in shares of its box's smaller side."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One frame, as far as carrying its objects to another frame needs it."""

    low_res: LowResFrame
    views: list[tuple[Track, View]]
    """What is shown with it."""
    gain: float
    """The flow gain then."""


def instances_of(views: Sequence[View], width: int, height: int) -> Instances:
    """The views as instances, best score first; boxes and masks end where the picture does, as a detector's would."""
    views = sorted((view for view in views if _seen(view, width, height)), key=lambda view: -view.score)
    if not views:
        return Instances.empty()
    cells = max((view.mask.shape[0] for view in views if view.mask is not None), default=0)
    boxes, masks = [], []
    for view in views:
        box = view.box_xyxy
        visible = np.clip(box, 0.0, [width, height, width, height])
        boxes.append(visible)
        if cells:
            masks.append(
                np.zeros((cells, cells), np.float32) if view.mask is None else _sized(resampled(view.mask, box, visible), cells)
            )
    return Instances(
        boxes_xyxy=np.array(boxes, np.float32),
        scores=np.clip([view.score for view in views], 0.0, 1.0),
        class_ids=np.array([view.class_id for view in views], np.int64),
        masks=np.clip(np.array(masks, np.float32), 0.0, 1.0) if cells else None,
        has_mask=np.array([view.mask is not None for view in views]),
        track_ids=np.array([view.track_id for view in views], np.int64),
        mask_age_s=np.array([view.mask_age_s for view in views], np.float32),
        followed=np.array([view.followed for view in views]),
        mask_carried=np.array([view.mask_carried for view in views]),
    )


def _seen(view: View, width: int, height: int) -> bool:
    """Whether some of it lies in the picture."""
    left, top, right, bottom = view.box_xyxy.tolist()
    return bool(min(right, width) - max(left, 0.0) >= MIN_SIDE_PX and min(bottom, height) - max(top, 0.0) >= MIN_SIDE_PX)


def _sized(mask: Singles, cells: int) -> Singles:
    if mask.shape[0] == cells:
        return mask
    return np.asarray(cv2.resize(mask, (cells, cells), interpolation=cv2.INTER_LINEAR), np.float32)
