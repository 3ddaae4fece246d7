"""Masks as COCO writes them: run lengths and polygons, made from small crops without a picture-sized mask."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from streamer.frame import Plane, StreamInfo
from streamer.instances import Bools, Instances
from streamer.render.masks import binary_crop
from streamer.sinks.outline_runs import outline_runs

_SIMPLIFY_PX = 0.75
_AREA_CHANGE = 0.1
_MOST_CHARACTERS = 7
"""Of a run in COCO's text: five bits each, more than any picture has pixels."""
_FARTHEST_PX = 100_000
"""No point of an outline is farther away, and an outline is no longer than this and four times round each pixel: pycocotools
walks all along it, also outside of the picture."""
_LONGEST_KEPT = 4096
"""Characters of run lengths that are kept for a while once they are read: masks of noise would take gigabytes."""


class Rle(TypedDict):
    """A mask as COCO's compressed run lengths, column by column; ``pycocotools.mask.decode`` takes it as it is."""

    size: list[int]
    """Height and width of the picture in pixels."""
    counts: str


class Crop(NamedTuple):
    """The part of a picture's mask in which anything is set, and where it lies."""

    x0: int
    """Column of the picture that is the crop's first."""
    y0: int
    """Row of the picture that is the crop's first."""
    mask: Bools
    """bool (h, w): the pixels of the object. The crop lies wholly within the picture; h or w may be 0."""


def crops(instances: Instances, width: int, height: int) -> list[Crop | None]:
    """Each instance's mask in a picture of that size, None for those that have none."""
    if instances.masks is None:
        return [None] * len(instances)
    return [
        Crop(*binary_crop(mask, box, width, height)) if has else None
        for mask, box, has in zip(instances.masks, instances.boxes_xyxy, instances.has_mask.tolist(), strict=True)
    ]


def clipped(instances: Instances, info: StreamInfo) -> NDArray[np.float64]:
    """Left, top, right and bottom of each box (N, 4), ending where the picture does, pixels."""
    return np.clip(instances.boxes_xyxy.astype(np.float64), 0.0, np.array([info.width, info.height] * 2, np.float64))


def run_counts(crop: Crop, width: int, height: int) -> NDArray[np.uint32]:
    """COCO's uncompressed run lengths of a picture with that crop in it: pixels off, on, off … down each column in turn."""
    h, w = crop.mask.shape
    # Where the crop is less high than the picture, an unset row under it keeps a run from going on into the next column.
    stride = h if h == height else h + 1
    flat = np.zeros(w * stride + 2, np.uint8)
    if crop.mask.size:
        flat[1:-1].reshape(w, stride)[:, :h] = cv2.transpose(crop.mask.view(np.uint8))  # five times faster than .T
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    column, row = np.divmod(changes, max(stride, 1))
    ends = np.concatenate(([0], (crop.x0 + column) * height + crop.y0 + row, [width * height]))
    counts = np.diff(ends)
    if len(counts) > 1 and counts[-1] == 0:
        counts = counts[:-1]
    return counts.astype(np.uint32)


def rles(found: Sequence[Crop | None], width: int, height: int) -> list[Rle | None]:
    """Each crop as COCO's compressed run lengths of the whole picture, None where there is no crop."""
    return _compressed([None if crop is None else run_counts(crop, width, height) for crop in found], width, height)


def mask_rles(instances: Instances, width: int, height: int) -> list[Rle | None]:
    """What :func:`rles` makes of the :func:`crops`, in a third of the time; boxes must be finite."""
    if instances.masks is None:
        return [None] * len(instances)
    has = instances.has_mask
    runs = iter(outline_runs(instances.masks[has], instances.boxes_xyxy[has], width, height))
    return _compressed([next(runs) if each else None for each in has.tolist()], width, height)


def _compressed(runs: Sequence[NDArray[np.uint32] | None], width: int, height: int) -> list[Rle | None]:
    size = [height, width]
    raw = [{"size": size, "counts": counts} for counts in runs if counts is not None]
    packed = iter(coco_mask.frPyObjects(raw, height, width) if raw else [])
    return [None if counts is None else Rle(size=size, counts=next(packed)["counts"].decode("ascii")) for counts in runs]


def polygons(crop: Crop) -> list[list[int]]:
    """The outer outlines of a crop's parts as ``[x0, y0, x1, y1, …]`` in pixels of the picture, largest first.

    Holes are filled: COCO's polygons cannot say them. Points lie on the pixels' edges, so they are whole numbers (a single
    pixel is a square of side 1). Stair steps are smoothed by at most 0.75 px, except on parts so small that this would change
    their area by more than a tenth.
    """
    h, w = crop.mask.shape
    if h == 0 or w == 0:
        return []
    # Contours run through pixel centres. In twice the size, the centres of the outermost quarter pixels are a known half
    # step inside the edge: even coordinates belong to a left or upper edge, odd ones to a right or lower one.
    doubled = cv2.resize(crop.mask.view(np.uint8), (2 * w, 2 * h), interpolation=cv2.INTER_NEAREST)
    found, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outlines = []
    for contour in found:
        exact = ((np.asarray(contour, np.int32) + 1) // 2).astype(np.int32)
        area = cv2.contourArea(exact)
        simple = cv2.approxPolyDP(exact, _SIMPLIFY_PX, closed=True)
        if len(simple) < 3 or abs(cv2.contourArea(simple) - area) > _AREA_CHANGE * area:
            simple = cv2.approxPolyDP(exact, 0.0, closed=True)
        points = simple.reshape(-1, 2) + np.array([crop.x0, crop.y0])
        outlines.append((area, points.ravel().tolist()))
    return [points for _, points in sorted(outlines, key=lambda outline: -outline[0])]


def has_hole(crop: Crop) -> bool:
    """Whether anything that is not set lies wholly within a part."""
    if not crop.mask.size:
        return False
    _, levels = cv2.findContours(crop.mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return levels is not None and bool((np.asarray(levels)[0, :, 3] >= 0).any())


def pixels(rle: Rle) -> Plane:
    """The mask of a whole picture, uint8 (height, width) of 0 and 1. Raises ``ValueError`` where the runs do not fill it."""
    height, width = rle["size"]
    return pixels_in(rle, 0, 0, width, height)


def pixels_in(rle: Rle, x0: int, y0: int, x1: int, y1: int) -> Plane:
    """A part of a picture's mask, which lies within the picture: uint8 (y1 - y0, x1 - x0) of 0 and 1. Raises ``ValueError``."""
    # pycocotools' own ``decode`` warns of NumPy's next version each time, and knows whole pictures only.
    height, _ = rle["size"]
    counts = _filling_counts(rle)
    ends = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=ends[1:])
    ends = np.minimum(np.maximum(ends, x0 * height), x1 * height)
    values = np.zeros(len(counts), np.uint8)
    values[1::2] = 1
    columns = values.repeat(ends[1:] - ends[:-1]).reshape(x1 - x0, height)
    return np.ascontiguousarray(columns[:, y0:y1].T)


def tight_box(rle: Rle) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of a mask's pixels; None where nothing is set. Raises ``ValueError`` for a damaged one."""
    refuse_damaged(rle)
    left, top, width, height = coco_mask.toBbox(rle).tolist()
    return (left, top, left + width, top + height) if width and height else None


def refuse_damaged(rle: Rle) -> None:
    """Raise ``ValueError`` where the runs do not fill the picture: pycocotools reads past their end, or never comes to one."""
    _filling_counts(rle)


def uncompressed(rle: Rle) -> list[int]:
    """The runs as numbers of pixels. Raises ``ValueError`` where they do not fill the picture."""
    return [int(count) for count in _filling_counts(rle)]


def _filling_counts(rle: Rle) -> NDArray[np.int64]:
    height, width = rle["size"]
    if not isinstance(rle["counts"], str):  # of a file that somebody has edited
        raise ValueError(f"run lengths are a text, not {rle['counts']!r:.40}")  # noqa: TRY004  # as for all else that is none
    read = _kept_counts if len(rle["counts"]) <= _LONGEST_KEPT else _filling
    return read(rle["counts"], height, width)


def _filling(text: str, height: int, width: int) -> NDArray[np.int64]:
    """The counts, not to be written to."""
    counts = _counts(text)
    filled = int(counts.sum())
    if filled != height * width or counts.min() < 0:
        raise ValueError(f"runs of {filled} pixels do not fill {width}x{height}")
    counts.flags.writeable = False
    return counts


_kept_counts = lru_cache(maxsize=64)(_filling)
"""Each mask is checked, measured and painted by its runs, one soon after the other."""


def _counts(text: str) -> NDArray[np.int64]:
    """Run lengths from COCO's text: five bits a character and one that says that more follow, signed, from the third on as
    differences to the run before the last. Raises ``ValueError``."""
    # Characters below the first one wrap around to numbers above 63.
    bits = (np.frombuffer(text.encode("ascii"), np.uint8) - np.uint8(48)).astype(np.int64)
    if not len(bits):
        return bits
    if bits.max() >= 64:
        raise ValueError(f"{text[:40]!r} does not belong into run lengths")
    (ends,) = (bits < 32).nonzero()
    if not len(ends) or ends[-1] != len(bits) - 1:
        raise ValueError("run lengths are cut short")
    starts = np.zeros_like(ends)
    np.add(ends[:-1], 1, out=starts[1:])
    lengths = ends - starts + 1
    if lengths.max() > _MOST_CHARACTERS:
        raise ValueError("a run is longer than any picture")
    places = np.arange(len(bits)) - starts.repeat(lengths)
    counts: NDArray[np.int64] = np.add.reduceat((bits & 31) << (5 * places), starts)
    counts -= np.where(bits[ends] & 16, 1 << (5 * lengths), 0)
    counts[1::2].cumsum(out=counts[1::2])
    counts[2::2].cumsum(out=counts[2::2])
    return counts


def rle_within(outlines: Sequence[Sequence[float]], width: int, height: int) -> Rle:
    """Run lengths of COCO's polygons, which run along the edges of pixels. Raises ``ValueError`` for what are none."""
    good = [list(outline) for outline in outlines if len(outline) >= 6]
    for outline in good:
        _refuse_endless(outline, width, height)
    if not good:
        (nothing,) = rles([Crop(0, 0, np.zeros((0, 0), np.bool_))], width, height)
        assert nothing is not None
        return nothing
    merged = coco_mask.merge(coco_mask.frPyObjects(good, height, width))
    return Rle(size=[height, width], counts=merged["counts"].decode("ascii"))


def _refuse_endless(outline: list[float], width: int, height: int) -> None:
    """Raise ``ValueError`` for an outline that is not one of something in a picture of that size."""
    try:
        places = np.asarray(outline, np.float64)
    except OverflowError as error:
        raise ValueError(f"an outline: {error}") from error
    farthest = np.abs(places).max()
    if not farthest <= _FARTHEST_PX:  # which of NaN is not true
        raise ValueError(f"an outline goes {farthest:g} pixels away, in a picture of {width}x{height}")
    length = np.abs(places[2:] - places[:-2]).sum() + np.abs(places[-2:] - places[:2]).sum()
    if length > _FARTHEST_PX + 4 * width * height:
        raise ValueError(f"an outline of {length:g} pixels in a picture of {width}x{height}")


def pixels_within(outlines: Sequence[Sequence[float]], width: int, height: int) -> Plane:
    """The mask, uint8 (height, width) of 0 and 1, of COCO's polygons."""
    return pixels(rle_within(outlines, width, height))
