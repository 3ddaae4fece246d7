"""Which objects of a frame are which, whatever their classes: for the confusion of classes, and to find the worst frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from streamer.comparison.identities import SAME
from streamer.comparison.objects import Objects


@dataclass(frozen=True, slots=True)
class Matching:
    """Of one frame."""

    pairs: tuple[tuple[str | None, str | None], ...]
    """Classes of true and judged objects that lie on each other, and None for one that has no partner."""
    overlap: float
    """Mean overlap of those with a partner; 1 where there are none."""

    @property
    def errors(self) -> int:
        """Objects that are missed, extra or of a wrong class."""
        return sum(truth != judged for truth, judged in self.pairs)


def match(truth: Objects, judged: Objects, iou: NDArray[np.float64]) -> Matching:
    """Pair the objects of a frame by overlaps (T, J) of boxes: as many as can be, then those of equal classes."""
    same = np.array([[ours == theirs for theirs in judged.names] for ours in truth.names], np.bool_).reshape(iou.shape)
    worth = np.where(iou >= SAME, 4.0 + same + iou, 0.0)
    rows, columns = linear_sum_assignment(-worth)
    kept = iou[rows, columns] >= SAME
    rows, columns = rows[kept], columns[kept]
    pairs: list[tuple[str | None, str | None]] = [
        (truth.names[row], judged.names[column]) for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    pairs += [(truth.names[row], None) for row in sorted(set(range(len(truth))) - set(rows.tolist()))]
    pairs += [(None, judged.names[column]) for column in sorted(set(range(len(judged))) - set(columns.tolist()))]
    return Matching(tuple(pairs), float(iou[rows, columns].mean()) if len(rows) else 1.0)
