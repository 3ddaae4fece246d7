"""What a detector found in one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NO_TRACK = -1
"""Track id of an instance that is not tracked."""
MIN_SIDE_PX = 0.01
"""Least width and height of what is seen of an object in the picture: records are written that exactly."""
_LARGEST = float(np.finfo(np.float32).max)


class _Known:
    """What was found out about instances, each for a picture of (width, height): so that it is not found out again.

    No fields, since it is nothing about the objects: copies of them begin without it.
    """

    __slots__ = ("_rounded_in", "_sane_in")
    _sane_in: tuple[int, int]
    _rounded_in: tuple[int, int]

    def is_rounded_in(self, width: int, height: int) -> bool:
        """Whether they were rounded to what records of such a picture hold."""
        return getattr(self, "_rounded_in", None) == (width, height)

    def say_rounded_in(self, width: int, height: int) -> None:
        """They are rounded to what records of such a picture hold."""
        object.__setattr__(self, "_rounded_in", (width, height))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Instances(_Known):
    """N objects of one picture, best score first where a detector made it. Arrays are not to be written to.

    Masks are small and box-relative, as the network gives them: never N full pictures. Raises ``ValueError`` at
    construction when shapes do not fit together, naming expected and actual.
    """

    boxes_xyxy: Floats
    """float32 (N, 4): left, top, right, bottom in pixels of the displayed picture, right and bottom exclusive; pixel i
    covers i..i+1. May reach over the picture's edge, as the mask does with it."""
    scores: Floats
    """float32 (N,): 0..1."""
    class_ids: Ints
    """int64 (N,): ids of the detector's label map."""
    masks: Floats | None = None
    """float32 (N, M, M): probability 0..1 that a point belongs to the object, M x M cells that divide the box evenly;
    None when the detector knows boxes only."""
    has_mask: Bools = None  # type: ignore[assignment]  # filled in by __post_init__, never None afterwards
    """bool (N,): whether row i of ``masks`` means anything; default: all, or none without masks."""
    track_ids: Ints = None  # type: ignore[assignment]  # filled in by __post_init__, never None afterwards
    """int64 (N,): small, stable identities from 1 upwards, or ``NO_TRACK``."""
    mask_age_s: Floats = None  # type: ignore[assignment]  # filled in by __post_init__, never None afterwards
    """float32 (N,): seconds between the picture that the object was inferred from and this one; 0 when inferred here."""
    followed: Bools = None  # type: ignore[assignment]  # filled in by __post_init__, never None afterwards
    """bool (N,): carried here from another picture, not inferred from this one."""
    mask_carried: Bools = None  # type: ignore[assignment]  # filled in by __post_init__, never None afterwards
    """bool (N,): whether the mask was seen in another picture and moved here with its object, which may itself be inferred from
    this one; False without a mask. Default: as ``followed``."""
    opacity: Floats = None  # type: ignore[assignment]  # filled in by __post_init__, never None afterwards
    """float32 (N,): 0..1, how strongly to draw it; below 1 while what cannot be followed fades out."""

    def __post_init__(self) -> None:
        n = len(self.boxes_xyxy)
        put = object.__setattr__
        put(
            self,
            "boxes_xyxy",
            np.asarray(self.boxes_xyxy, np.float32).reshape(-1, 4) if n == 0 else np.asarray(self.boxes_xyxy, np.float32),
        )
        put(self, "scores", np.asarray(self.scores, np.float32))
        put(self, "class_ids", np.asarray(self.class_ids, np.int64))
        if self.masks is not None:
            put(self, "masks", np.asarray(self.masks, np.float32))
        defaults: dict[str, NDArray[np.generic]] = {
            "has_mask": np.full(n, self.masks is not None),
            "track_ids": np.full(n, NO_TRACK, np.int64),
            "mask_age_s": np.zeros(n, np.float32),
            "followed": np.zeros(n, np.bool_),
            "opacity": np.ones(n, np.float32),
        }
        for name, default in defaults.items():
            value = getattr(self, name)
            put(self, name, default if value is None else np.asarray(value, default.dtype))
        put(self, "mask_carried", self._carried_masks())
        if self.boxes_xyxy.shape != (n, 4):
            raise ValueError(f"boxes_xyxy: expected shape ({n}, 4), got {self.boxes_xyxy.shape}")
        for name in ("scores", "class_ids", *defaults, "mask_carried"):
            shape = getattr(self, name).shape
            if shape != (n,):
                raise ValueError(f"{name}: expected shape ({n},), got {shape}")
        if self.masks is not None and (
            self.masks.ndim != 3 or self.masks.shape[0] != n or self.masks.shape[1] != self.masks.shape[2]
        ):
            raise ValueError(f"masks: expected shape ({n}, M, M), got {self.masks.shape}")
        if self.masks is not None and n > 0 and self.masks.shape[1] == 0:
            raise ValueError("masks: expected at least one cell a side, got none; None says that there are no masks")
        if self.masks is None and self.has_mask.any():
            raise ValueError("has_mask: expected all False without masks, got some True")

    def _carried_masks(self) -> Bools:
        """``mask_carried``, False for those without a mask; as given where shapes do not fit, which is said afterwards."""
        given = self.followed if self.mask_carried is None else np.asarray(self.mask_carried, np.bool_)
        return given & self.has_mask if given.shape == self.has_mask.shape else given

    @classmethod
    def empty(cls) -> Instances:
        """No objects: the same instances each time, since most frames of a camera show none."""
        return _EMPTY

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: slice | Sequence[int] | NDArray[np.bool_] | NDArray[np.intp]) -> Instances:
        """The given rows, in the given order: a slice, indices or a boolean array (N,)."""
        index = rows if isinstance(rows, slice) else np.asarray(rows)
        if isinstance(index, np.ndarray) and index.size == 0 and index.dtype != np.bool_:
            index = index.astype(np.intp)
        picked: dict[str, Any] = {
            f.name: None if (value := getattr(self, f.name)) is None else value[index] for f in fields(self)
        }
        return replace(self, **picked)

    def scaled(self, x: float, y: float) -> Instances:
        """The same objects in a picture that is ``x`` times as wide and ``y`` times as high."""
        return replace(self, boxes_xyxy=self.boxes_xyxy * np.array([x, y, x, y], np.float32))

    def carried(self, by_s: float, max_age_s: float) -> Instances:
        """The same objects in a picture ``by_s`` seconds later, without those whose masks would be older than ``max_age_s``."""
        all_of_them = np.ones(len(self), np.bool_)
        older = replace(self, mask_age_s=self.mask_age_s + max(0.0, by_s), followed=all_of_them, mask_carried=all_of_them)
        return older[older.mask_age_s <= max_age_s]

    def usable(self, width: int, height: int) -> Instances:
        """The rows that mean something in a picture of ``width`` x ``height`` pixels, with every number in its range.

        Left out are rows whose box or score is not finite, and those of which less than ``MIN_SIDE_PX`` in width or height
        lies in the picture. A mask that is not finite is dropped, its row stays. Scores, masks and opacities are limited to
        0..1. A box that reaches further over an edge than the picture is large ends there, and its mask with it. Whatever
        takes instances from outside asks for this first, so that nothing else has to. The same object when all is well.
        """
        if getattr(self, "_sane_in", None) == (width, height):
            return self
        if self._is_sane(width, height):
            object.__setattr__(self, "_sane_in", (width, height))  # asked for again by whoever takes them next
            return self
        picture = np.array([width, height], np.float64)
        finite = np.isfinite(self.boxes_xyxy).all(axis=1) & np.isfinite(self.scores)
        boxes = np.where(finite[:, None], self.boxes_xyxy, np.float32(0.0)).astype(np.float64)
        inside = np.minimum(boxes[:, 2:], picture) - np.maximum(boxes[:, :2], 0.0)
        good = finite & (inside >= MIN_SIDE_PX).all(axis=1)
        return _limited(self if good.all() else self[good], picture)

    def _is_sane(self, width: int, height: int) -> bool:
        """Whether :meth:`usable` has nothing to do: asked for each frame more than once, it must not cost much."""
        if not len(self.scores):
            return True
        left, top, right, bottom = self.boxes_xyxy.astype(np.float64).T
        # Written so that a number that is none makes it false.
        return (
            bool((np.minimum(right, width) - np.maximum(left, 0.0)).min() >= MIN_SIDE_PX)
            and bool((np.minimum(bottom, height) - np.maximum(top, 0.0)).min() >= MIN_SIDE_PX)
            and _within(left, -width, math.inf)
            and _within(top, -height, math.inf)
            and _within(right, -math.inf, 2 * width)
            and _within(bottom, -math.inf, 2 * height)
            and _within(self.scores, 0.0, 1.0)
            and _within(self.opacity, 0.0, 1.0)
            and _within(self.mask_age_s, 0.0, _LARGEST)
            and (self.masks is None or _within(self.masks, 0.0, 1.0))
        )


_EMPTY = Instances(boxes_xyxy=np.zeros((0, 4), np.float32), scores=np.zeros(0, np.float32), class_ids=np.zeros(0, np.int64))


def _within(values: NDArray[Any], low: float, high: float) -> bool:
    return not values.size or bool(values.min() >= low and values.max() <= high)


def _limited(found: Instances, picture: NDArray[np.float64]) -> Instances:
    """The same rows, whose boxes are finite, with every number in its range; the same object when all are."""
    changes: dict[str, Any] = {}
    for name in ("scores", "opacity"):
        values = getattr(found, name)
        if not ((values >= 0.0) & (values <= 1.0)).all():
            changes[name] = np.clip(np.nan_to_num(values, nan=1.0), 0.0, 1.0)
    if not ((found.mask_age_s >= 0.0) & np.isfinite(found.mask_age_s)).all():
        changes["mask_age_s"] = np.maximum(np.nan_to_num(found.mask_age_s, posinf=0.0, neginf=0.0), 0.0)
    masks = found.masks
    if masks is not None and masks.size and not (masks.min() >= 0.0 and masks.max() <= 1.0):
        finite = np.asarray(np.isfinite(masks).reshape(len(masks), -1).all(axis=1), np.bool_)
        changes["has_mask"] = found.has_mask & finite
        masks = changes["masks"] = np.clip(np.where(finite[:, None, None], masks, np.float32(0.0)), 0.0, 1.0)
    boxes = found.boxes_xyxy.astype(np.float64)
    cut = np.clip(boxes, np.tile(-picture, 2), np.tile(2.0 * picture, 2))
    if far := np.flatnonzero((cut != boxes).any(axis=1)).tolist():
        changes["boxes_xyxy"] = cut
        if masks is not None:
            masks = changes["masks"] = masks.copy()
            for row in far:
                masks[row] = resampled(masks[row], boxes[row], cut[row])
    return replace(found, **changes) if changes else found


def resampled(mask: Floats, box: NDArray[np.float64], into: NDArray[np.float64], cells: int | None = None) -> Floats:
    """A mask (M, M) of the box (4,) as a mask of the box ``into``, of ``cells`` x ``cells``, or as many as it has.

    Bilinear between the cells' centres, 0 outside ``box``; the very array where nothing changes.
    """
    m = mask.shape[0]
    cells = cells or m
    if cells == m and np.array_equal(box, into):
        return mask
    scale = (into[2:] - into[:2]) / np.maximum(box[2:] - box[:2], 1e-6) * (m / cells)
    offset = (into[:2] - box[:2]) / np.maximum(box[2:] - box[:2], 1e-6) * m
    matrix = np.array([[scale[0], 0.0, offset[0] + 0.5 * scale[0] - 0.5], [0.0, scale[1], offset[1] + 0.5 * scale[1] - 0.5]])
    return np.asarray(cv2.warpAffine(mask, matrix, (cells, cells), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.float32)


def class_name(labels: Mapping[int, str], class_id: int) -> str:
    """The label of a class id, or ``class 7`` where the label map has none."""
    return labels.get(class_id, f"class {class_id}")
