"""Run lengths of box-relative masks in a picture, from where their outlines cross each column of pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.instances import Floats
from streamer.render.masks import THRESHOLD

_MOST_SAMPLES = 2**21
"""Of the masks that are worked on at once: more would fall out of the caches."""


def outline_runs(masks: Floats, boxes_xyxy: Floats, width: int, height: int) -> list[NDArray[np.uint32]]:
    """COCO's uncompressed run lengths of each mask: pixels off, on, off … down each column of the picture in turn.

    ``masks`` is float (N, M, M), 0..1; ``boxes_xyxy`` is (N, 4), finite, and may reach over the edge of the width x height
    picture. The pixels are those of ``render.masks.binary_crop``, but none is looked at: down a column the probability is
    linear between the centres of two cells, so that it is known where it crosses the threshold. That takes M steps a column
    instead of one a pixel, and several masks are worked on at once.
    """
    runs: list[NDArray[np.uint32]] = []
    at_once = max(1, _MOST_SAMPLES // (width * (masks.shape[1] + 2)))
    for first in range(0, len(masks), at_once):
        part = slice(first, first + at_once)
        runs += _runs_at_once(masks[part], boxes_xyxy[part], width, height)
    return runs


def _runs_at_once(masks: Floats, boxes_xyxy: Floats, width: int, height: int) -> list[NDArray[np.uint32]]:
    n, cells = masks.shape[:2]
    left, top, right, bottom = boxes_xyxy.astype(np.float64).T
    first_column = np.clip(np.floor(left), 0, width).astype(np.int64)
    spans = np.clip(np.ceil(right), 0, width).astype(np.int64) - first_column
    spans *= (right > left) & (bottom > top)
    owner = np.repeat(np.arange(n), spans)
    column = np.arange(len(owner)) - np.repeat(np.cumsum(spans) - spans - first_column, spans)
    # Beyond the outermost centres the probability falls to 0 over one cell.
    padded = np.full((n, cells + 2, cells + 2), -THRESHOLD, np.float32)
    np.subtract(masks.transpose(0, 2, 1), np.float32(THRESHOLD), out=padded[:, 1:-1, 1:-1])
    per_px = cells / np.maximum(right - left, 1e-9)
    across = np.clip((column + 0.5 - left[owner]) * per_px[owner] + 0.5, 0.0, cells + 1.0)
    before = np.minimum(across.astype(np.intp), cells)
    share = (across - before).astype(np.float32)[:, None]
    lines = padded.reshape(-1, cells + 2)
    at = before + owner * (cells + 2)
    above = lines[at + 1]
    above *= share
    above += lines[at] * (1 - share)
    inside = above > 0
    line, cell = np.divmod(np.flatnonzero(inside[:, 1:] != inside[:, :-1]), cells + 1)
    upper = line * (cells + 2) + cell
    first, second = above.ravel()[upper].astype(np.float64), above.ravel()[upper + 1].astype(np.float64)
    of = owner[line]
    # In pixels, of which the first one's centre is 0.
    crossing = top[of] + (cell - 0.5 + first / (first - second)) * ((bottom - top)[of] / cells) - 0.5
    row = np.where(second > 0, np.floor(crossing) + 1.0, np.ceil(crossing))
    size = width * height
    ends = of * (size + 1) + column[line] * height + np.clip(row, 0, height).astype(np.int64)
    # Two in one place are a run of no pixel, or one that goes on at the top of the next column.
    places, times = np.unique(ends, return_counts=True)
    places = places[times % 2 == 1]
    borders = np.searchsorted(places, np.arange(1, n) * (size + 1))
    return [_counts(own - index * (size + 1), size) for index, own in enumerate(np.split(places, borders))]


def _counts(ends: NDArray[np.int64], size: int) -> NDArray[np.uint32]:
    edges = np.empty(len(ends) + 2, np.int64)  # np.diff can do that, in three times the time
    edges[0], edges[1:-1], edges[-1] = 0, ends, size
    counts = edges[1:] - edges[:-1]
    return (counts[:-1] if len(counts) > 1 and counts[-1] == 0 else counts).astype(np.uint32)
