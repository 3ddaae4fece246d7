"""Outlines of carried objects: a mask that was detected in an earlier frame, moved to the edges of this one.

A mask moves and grows with its box, but people swing arms and legs, and turn. The guided filter (He, Sun, Tang: Guided image
filtering, 2010) finds the outline anew from where it was, wherever the object's colours differ from what is beside it: within
a small window it explains the mask as a linear function of luma and chroma, so that it changes where they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.follow.flow import LowResFrame
from streamer.follow.motion import Doubles, Singles
from streamer.follow.views import View

Pixels = NDArray[np.uint8]

CELLS = 40
"""Cells a side of the outlines that come out."""
MARGIN_CELLS = 4
"""What is looked at on each side of the box: an outline is not known without what is beside it."""
AROUND_CELLS = CELLS + 2 * MARGIN_CELLS
COARSE_CELLS = AROUND_CELLS // 4
"""The linear model is found on so many cells a side, and enlarged (He and Sun: Fast guided filter, 2015) ..."""
RADIUS_CELLS = 2
"""... in windows that reach so many of these, a fifth of the box: as far as a limb gets in a few frames. *Measured* in the
synthetic scene and on the sample with a detector of 5 frames: overlap with the masks of every frame 0.921 and 0.777, 0.910 and
0.760 with 1, and 0.886 and 0.718 without the filter."""
SMOOTHNESS = np.float32(1e-4)
"""Variance of luma or chroma, 0..1 squared, below which a window has no edge to follow."""
FULL_BOX = 0.9
"""A mask that fills more of its box than this has no edge inside it that could be moved."""
LARGEST_PX = 160.0
"""Longer sides, in pixels of the low-resolution frame, would lose detail on so few cells: such a mask stays as it is."""
STILL, MOVED = 0.02, 0.1
"""How far an object has gone since its mask was detected, in shares of its box's smaller side: up to ``STILL`` it keeps its
mask, from ``MOVED`` on its outline is all the filter's. What stands still has a good outline already: bottles on a table lost
0.05 of their overlap with the masks of every frame, parked cars 0.07."""
STEP = 0.55
"""Share of the way that an outline goes to its new place at once: against flicker, and jumps when another mask is detected."""
MOST_OBJECTS = 500
"""Of more the others keep their masks: OpenCV takes pictures of up to 32,767 rows."""

_INNER = slice(MARGIN_CELLS, MARGIN_CELLS + CELLS)
_ONE = np.ones(1, np.float32)
_WINDOW = np.full(2 * RADIUS_CELLS + 1, 1.0 / (2 * RADIUS_CELLS + 1), np.float32)
_PER_LEVEL = np.float32(1 / 255)


class CarriedOutlines:
    """Fits carried masks to the picture, frame by frame of one source."""

    def __init__(self) -> None:
        self._frame: LowResFrame | None = None
        self._before: dict[int, Singles] = {}
        self._now: dict[int, Singles] = {}
        """By track id the fitted masks that were shown in the frame before and in this one."""

    def fitted(self, views: Sequence[View], low_res: LowResFrame) -> list[View]:
        """The views of a frame, those of objects that moved since they were detected with masks that follow its edges.

        Frames come in order; asked twice for one frame the answer is the same.
        """
        if low_res is not self._frame:
            self._frame, self._before = low_res, self._now
        out = list(views)
        rows = [i for i, view in enumerate(views) if _may_be_fitted(view, low_res)][:MOST_OBJECTS]
        masks = self._fitted([views[i] for i in rows], low_res) if rows else []
        for i, mask in zip(rows, masks, strict=True):
            out[i] = replace(views[i], mask=mask)
        self._now = {views[i].track_id: mask for i, mask in zip(rows, masks, strict=True)}
        return out

    def _fitted(self, views: Sequence[View], low_res: LowResFrame) -> Sequence[Singles]:
        masks = np.empty((len(views), CELLS, CELLS), np.float32)
        for mask, view in zip(masks, views, strict=True):
            assert view.mask is not None
            mask[:] = cv2.resize(view.mask, (CELLS, CELLS), interpolation=cv2.INTER_LINEAR)
        trust = np.array([_trust(view) for view in views], np.float32)[:, None, None]
        fitted = _at_edges(masks, np.array([view.box_xyxy for view in views]), low_res)
        fitted -= masks
        fitted *= trust
        fitted += masks
        before = np.array([self._before.get(view.track_id, mask) for view, mask in zip(views, masks, strict=True)])
        fitted -= before
        fitted *= 1.0 - (1.0 - STEP) * trust
        fitted += before
        return list(np.clip(fitted, 0.0, 1.0, out=fitted))  # rounding leads a little beyond


def _may_be_fitted(view: View, low_res: LowResFrame) -> bool:
    if view.mask is None or not view.followed or view.gone <= STILL:
        return False
    size = (view.box_xyxy[2:] - view.box_xyxy[:2]) / low_res.to_picture
    if not (size.min() > 0.0 and size.max() <= LARGEST_PX):
        return False
    return cv2.mean(view.mask)[0] <= FULL_BOX  # NumPy's mean takes ten times as long


def _trust(view: View) -> float:
    """0..1: how far the edges of the picture say more than the mask."""
    return min(1.0, (view.gone - STILL) / (MOVED - STILL))


def _at_edges(masks: Singles, boxes: Doubles, low_res: LowResFrame) -> Singles:
    """The masks (N, CELLS, CELLS) of boxes (N, 4), moved to the edges there; of the same shape.

    The objects lie below each other in one picture, so that OpenCV is called once for all of them. Where that lets neighbours
    run into each other, it is in the margin.
    """
    luma, chroma = _patches(low_res, boxes)
    by_luma, by_u, by_v, offset = _linear_model(masks, luma, chroma)
    # All but the luma is smooth, or known at half the resolution anyway.
    whole = AROUND_CELLS, AROUND_CELLS * len(masks)
    half = whole[0] // 2, whole[1] // 2
    smooth = cv2.resize(offset, half)
    for slope, plane in zip((by_u, by_v), cv2.split(np.asarray(chroma, np.float32)), strict=True):
        cv2.accumulateProduct(cv2.resize(slope, half), plane, smooth)
    fitted = cv2.resize(smooth, whole)
    cv2.accumulateProduct(cv2.resize(by_luma, whole), np.asarray(luma, np.float32), fitted)
    return np.asarray(np.clip(fitted.reshape(-1, AROUND_CELLS, AROUND_CELLS)[:, _INNER, _INNER], 0.0, 1.0), np.float32)


def _patches(low_res: LowResFrame, boxes: Doubles) -> tuple[Pixels, Pixels]:
    """What lies in and around N boxes (N, 4), one below the other: luma (N * AROUND_CELLS, AROUND_CELLS), and U and V on half
    as many cells (…, …, 2). Beyond the picture its edge goes on."""
    boxes = boxes / np.tile(low_res.to_picture, 2)
    along = (np.arange(AROUND_CELLS) + (0.5 - MARGIN_CELLS)) / CELLS
    x, y = (boxes[:, axis, None] + (boxes[:, axis + 2] - boxes[:, axis])[:, None] * along for axis in (0, 1))
    chroma = cv2.merge(low_res.chroma)
    down, across = np.divide(chroma.shape[:2], low_res.luma.shape)
    x_half, y_half = (0.5 * (points[:, ::2] + points[:, 1::2]) for points in (x, y))
    return _sampled(low_res.luma, x, y), _sampled(np.asarray(chroma, np.uint8), x_half * across, y_half * down)


def _sampled(picture: Pixels, x: Doubles, y: Doubles) -> Pixels:
    """A picture at columns (N, K) and rows (N, K) of N patches, one below the other."""
    n, k = x.shape
    columns = np.ascontiguousarray(np.broadcast_to(x[:, None, :] - 0.5, (n, k, k)), np.float32).reshape(-1, k)
    rows = np.ascontiguousarray(np.broadcast_to(y[:, :, None] - 0.5, (n, k, k)), np.float32).reshape(-1, k)
    return np.asarray(cv2.remap(picture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _linear_model(masks: Singles, luma: Pixels, chroma: Pixels) -> Singles:
    """How the masks follow from luma, U and V, 0..255, around each point: three slopes and an offset,
    (4, N * COARSE_CELLS, COARSE_CELLS)."""
    n, side = len(masks), COARSE_CELLS
    around = np.zeros((n, AROUND_CELLS, AROUND_CELLS), np.float32)
    around[:, _INNER, _INNER] = masks
    terms = np.empty((side, side, 13, n), np.float32)
    terms[:, :, 0] = _shrunk(around.reshape(-1, AROUND_CELLS)).reshape(n, side, side).transpose(1, 2, 0)
    terms[:, :, 1] = _shrunk(luma).reshape(n, side, side).transpose(1, 2, 0)
    terms[:, :, 2:4] = _shrunk(chroma).reshape(n, side, side, 2).transpose(1, 2, 3, 0)
    terms[:, :, 1:4] *= _PER_LEVEL
    guides = terms[:, :, 1:4]
    np.multiply(guides, terms[:, :, :1], out=terms[:, :, 4:7])
    np.multiply(guides, guides[:, :, :1], out=terms[:, :, 7:10])
    np.multiply(guides[:, :, 1:], guides[:, :, 1:2], out=terms[:, :, 10:12])
    np.multiply(guides[:, :, 2], guides[:, :, 2], out=terms[:, :, 12])
    m, a, b, c, am, bm, cm, aa, ab, ac, bb, bc, cc = _mean(terms).transpose(2, 0, 1, 3).reshape(13, -1)
    am, bm, cm = am - a * m, bm - b * m, cm - c * m
    aa, ab, ac = aa - a * a + SMOOTHNESS, ab - a * b, ac - a * c
    bb, bc, cc = bb - b * b + SMOOTHNESS, bc - b * c, cc - c * c + SMOOTHNESS
    # Gauss' elimination, all points at once: the matrix of covariances is symmetric and positive.
    share = ab / aa
    bb, bc, bm = bb - share * ab, bc - share * ac, bm - share * am
    share = ac / aa
    cc, cm = cc - share * ac, cm - share * am
    share = bc / bb
    by_v = (cm - share * bm) / (cc - share * bc)
    by_u = (bm - bc * by_v) / bb
    by_luma = (am - ab * by_u - ac * by_v) / aa
    model = np.empty((side, side, 4, n), np.float32)
    for row, plane in enumerate((by_luma, by_u, by_v, m - by_luma * a - by_u * b - by_v * c)):
        model[:, :, row] = plane.reshape(side, side, n)
    model[:, :, :3] *= _PER_LEVEL
    return np.ascontiguousarray(_mean(model).transpose(2, 3, 0, 1)).reshape(4, n * side, side)


def _shrunk(patches: Pixels | Singles) -> Singles:
    size = COARSE_CELLS, len(patches) * COARSE_CELLS // patches.shape[1]
    return np.asarray(cv2.resize(patches, size, interpolation=cv2.INTER_AREA), np.float32)


def _mean(values: Singles) -> Singles:
    """The mean of (COARSE_CELLS, COARSE_CELLS, …) over the window around each point, without OpenCV's limit of 128 channels."""
    for _ in range(2):
        flat = np.ascontiguousarray(values).reshape(COARSE_CELLS, -1)
        down = cv2.sepFilter2D(flat, cv2.CV_32F, _ONE, _WINDOW, borderType=cv2.BORDER_REFLECT)
        values = np.asarray(down, np.float32).reshape(values.shape).swapaxes(0, 1)
    return values
