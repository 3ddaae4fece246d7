"""Whether objects keep their tracks: IDF1, MOTA and switches of one class, by motmetrics' rules, fed frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from streamer.comparison.pair_sums import PairSums, best_pairing

SAME = 0.5
"""Least overlap (IoU) of two boxes of one object."""


@dataclass(frozen=True, slots=True)
class IdentityCounts:
    """What was counted; sums over classes are made of them."""

    truths: int = 0
    judged: int = 0
    missed: int = 0
    extra: int = 0
    switches: int = 0
    identified: int = 0
    """Objects whose track is the one that fits theirs best over the whole recording."""

    def __add__(self, other: IdentityCounts) -> IdentityCounts:
        return IdentityCounts(
            self.truths + other.truths,
            self.judged + other.judged,
            self.missed + other.missed,
            self.extra + other.extra,
            self.switches + other.switches,
            self.identified + other.identified,
        )

    @property
    def idf1(self) -> float:
        """0..1; NaN where there is nothing at all."""
        both = self.truths + self.judged
        return 2 * self.identified / both if both else float("nan")

    @property
    def mota(self) -> float:
        """Up to 1, below 0 where more is wrong than there is; NaN without true objects."""
        wrong = self.missed + self.extra + self.switches
        return 1 - wrong / self.truths if self.truths else float("nan")


class Identities:
    """Holds the last partner of each track, and how often pairs of tracks met."""

    def __init__(self) -> None:
        self._truths = self._judged = self._matched = self._switches = 0
        self._partner: dict[int, int] = {}
        self._met = PairSums()

    def add(self, truths: NDArray[np.int64], judged: NDArray[np.int64], iou: NDArray[np.float64]) -> None:
        """Judge a frame: track numbers (T,), (J,), from 0, each once, and overlaps (T, J) of their boxes."""
        self._truths += len(truths)
        self._judged += len(judged)
        rows, columns = np.nonzero(iou >= SAME)
        if not len(rows):
            return
        self._met.add(truths[rows], judged[columns], np.ones((len(rows), 1)))
        open_: NDArray[np.float64] = np.where(iou >= SAME, 1.0 - iou, np.inf)
        # Who goes with whom already stays so, as long as they overlap.
        column_of = {track: column for column, track in enumerate(judged.tolist())}
        for row, track in enumerate(truths.tolist()):
            column = column_of.get(self._partner.get(track, -1))
            if column is not None and np.isfinite(open_[row, column]):
                open_[row], open_[:, column] = np.inf, np.inf
                self._matched += 1
        # As many as can be, and of these the closest.
        costs = np.where(np.isfinite(open_), open_, len(truths) + len(judged))
        for row, column in zip(*linear_sum_assignment(costs), strict=True):
            if np.isfinite(open_[row, column]):
                before = self._partner.get(int(truths[row]))
                self._switches += before is not None and before != int(judged[column])
                self._partner[int(truths[row])] = int(judged[column])
                self._matched += 1

    def counts(self) -> IdentityCounts:
        """What was counted so far."""
        return IdentityCounts(
            truths=self._truths,
            judged=self._judged,
            missed=self._truths - self._matched,
            extra=self._judged - self._matched,
            switches=self._switches,
            identified=round(best_pairing(self._met)),
        )
