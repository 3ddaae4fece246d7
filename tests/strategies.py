"""Hypothesis strategies for pictures and for what a detector may say of them, and what must hold of what comes out.

Large arrays are made from a drawn seed: drawn number by number they would take longer to draw than to test.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.frame import UPRIGHT, Frame, Orientation
from streamer.instances import Floats, Instances
from tests.render.scenes import frame_of

BOXES = ("inside", "over the edge", "flat", "tiny", "whole", "huge", "infinite", "outside", "inside out", "same", "nan")
SCORES = (0.0, 1e-30, 0.2, 0.29, 0.4, 0.55, 0.9, 1.0, 1.5, 1e30, -1.0, np.inf, -np.inf, np.nan)
MASKS = ("ones", "zeros", "noise", "corner", "wild", "nan", "half nan")
CELLS = (1, 2, 3, 7, 28, 33, 130)
PICTURES = ("noise", "flat", "slope", "stripes")
TURNS = tuple(Orientation(turns, mirrored) for turns in range(4) for mirrored in (False, True))


def sizes(largest: tuple[int, int] = (400, 300)) -> st.SearchStrategy[tuple[int, int]]:
    """Width and height of a picture, from 1 x 1 up to ``largest``; narrow and odd ones among them."""
    width, height = largest
    odd = st.sampled_from([(1, 1), (2, 2), (1, 2), (2, 1), (3, 5), (16, 16), (width, 1), (1, height), (33, 17), largest])
    return odd | st.tuples(st.integers(1, width), st.integers(1, height))


def planes(kind: str, seed: int, width: int, height: int) -> tuple[NDArray[np.uint8], ...]:
    """Y, U and V, as stored."""
    rng = np.random.default_rng(seed)
    made = []
    for w, h in ((width, height), (-(-width // 2), -(-height // 2)), (-(-width // 2), -(-height // 2))):
        if kind == "noise":
            plane = rng.integers(0, 256, (h, w))
        elif kind == "flat":
            plane = np.full((h, w), rng.integers(0, 256))
        elif kind == "slope":
            plane = (np.arange(w)[None] * 3 + np.arange(h)[:, None] * 2 + rng.integers(0, 256)) % 256
        else:
            plane = ((np.arange(w)[None] + rng.integers(0, 9)) // 4 % 2 * 200) + np.zeros((h, 1), int)
        made.append(plane.astype(np.uint8))
    return tuple(made)


def frame(
    kind: str, seed: int, width: int, height: int, *, index: int = 0, pts: int = 0, orientation: Orientation = UPRIGHT
) -> Frame:
    """A frame whose upright picture is ``width`` x ``height``, ten of its ticks a second."""
    stored = (height, width) if orientation.sideways else (width, height)
    made = frame_of(planes(kind, seed, *stored), orientation)
    made.index, made.pts, made.time_base, made.captured_at = index, pts, Fraction(1, 10), 0.1 * index
    return made


def _box(kind: str, rng: np.random.Generator, width: int, height: int) -> NDArray[np.float64]:
    picture = np.array([width, height], np.float64)
    a, b = rng.uniform(0, 1, (2, 2)) * picture
    low, high = np.minimum(a, b), np.maximum(a, b)
    match kind:
        case "over the edge":
            low, high = low - rng.uniform(0, 1, 2) * picture, high + rng.uniform(0, 1, 2) * picture
        case "flat":
            axis = rng.integers(2)
            low[axis], high[axis] = (0.0, picture[axis]) if rng.integers(2) else (low[axis], high[axis])
            high[1 - axis] = low[1 - axis] + rng.choice([0.0, 1e-4, 0.3, 1.0, 2.5, 0.08 * picture[1 - axis]])
        case "tiny":
            high = low + 10.0 ** rng.uniform(-6, 0.7, 2)
        case "whole":
            low, high = np.zeros(2), picture
        case "huge":
            low, high = low - 10.0 ** rng.uniform(2, 38, 2), high + 10.0 ** rng.uniform(2, 38, 2)
        case "infinite":
            low, high = np.where(rng.integers(0, 2, 2), -np.inf, low), np.where(rng.integers(0, 2, 2), np.inf, high)
        case "outside":
            off = rng.choice([-1.0, 1.0], 2) * picture * 10.0 ** rng.uniform(0, 30)
            low, high = low + off, high + off
        case "inside out":
            low, high = high, low
        case "same":
            low, high = 0.25 * picture, 0.75 * picture
        case "nan":
            low[rng.integers(2)] = np.nan
    return np.concatenate([low, high])


def _mask(kind: str, rng: np.random.Generator, cells: int) -> NDArray[np.float64]:
    mask = rng.uniform(0, 1, (cells, cells))
    match kind:
        case "ones":
            mask[:] = 1.0
        case "zeros":
            mask[:] = 0.0
        case "corner":
            mask[:] = 0.0
            mask[0, -1] = 1.0
        case "wild":
            mask = (mask - 0.5) * 10.0 ** rng.uniform(0, 38)
        case "nan":
            mask[:] = np.nan
        case "half nan":
            mask[rng.uniform(0, 1, mask.shape) < 0.5] = rng.choice([np.nan, np.inf, -np.inf])
    return mask


@st.composite
def instances(draw: st.DrawFn, width: int, height: int, counts: tuple[int, ...] = (0, 1, 2, 3, 8, 300)) -> Instances:
    """Whatever the types allow a detector to say of a picture of that size, with and without masks, mixed or not."""
    n = draw(st.sampled_from(counts))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = draw(st.lists(st.sampled_from(BOXES), min_size=1, max_size=4))
    scores = draw(st.lists(st.sampled_from(SCORES), min_size=1, max_size=3))
    outlines = draw(st.none() | st.lists(st.sampled_from(MASKS), min_size=1, max_size=3))
    cells = draw(st.sampled_from(CELLS if n < 100 else CELLS[:4]))
    with np.errstate(over="ignore"):
        boxes = np.array([_box(kinds[i % len(kinds)], rng, width, height) for i in range(n)]).reshape(n, 4).astype(np.float32)
    masks = None
    if outlines is not None:
        masks = np.array([_mask(outlines[i % len(outlines)], rng, cells) for i in range(n)]).reshape(n, cells, cells)
    mixed = draw(st.booleans()) and masks is not None
    return Instances(
        boxes_xyxy=boxes,
        scores=np.array([scores[i % len(scores)] for i in range(n)], np.float32),
        class_ids=rng.choice([1, 2, 7, -(2**63), 2**63 - 1], n) if draw(st.booleans()) else np.ones(n, np.int64),
        masks=None if masks is None else masks.astype(np.float32),
        has_mask=rng.integers(0, 2, n).astype(np.bool_) if mixed else None,  # type: ignore[arg-type]  # None: the default
    )


@st.composite
def shown(draw: st.DrawFn, width: int, height: int) -> Instances:
    """As :func:`instances`, with the fields that following fills in, as odd."""
    found = draw(instances(width, height))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = len(found)
    return Instances(
        boxes_xyxy=found.boxes_xyxy,
        scores=found.scores,
        class_ids=found.class_ids,
        masks=found.masks,
        has_mask=found.has_mask,
        track_ids=rng.choice([-1, 1, 2, 10**9], n),
        mask_age_s=rng.choice([0.0, 0.5, 1e9, -1.0, np.inf, np.nan], n).astype(np.float32),
        followed=rng.integers(0, 2, n).astype(np.bool_),
        mask_carried=rng.integers(0, 2, n).astype(np.bool_),
        opacity=rng.choice([1.0, 0.5, 0.0, 2.0, -np.inf, np.nan], n).astype(np.float32),
    )


def check(found: Instances, width: int, height: int, *, within: bool = True) -> None:
    """All numbers are finite and in their range, and every box has an area, inside the picture if ``within``."""
    boxes = found.boxes_xyxy.astype(np.float64)
    assert np.isfinite(boxes).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    if within:
        assert (boxes[:, :2] >= 0.0).all()
        assert (boxes[:, 2:] <= [width, height]).all()
    for values in (found.scores, found.opacity, _values(found.masks)):
        assert ((values >= 0.0) & (values <= 1.0)).all()
    assert (np.isfinite(found.mask_age_s) & (found.mask_age_s >= 0.0)).all()


def _values(masks: Floats | None) -> Floats:
    return np.zeros(0, np.float32) if masks is None else masks
