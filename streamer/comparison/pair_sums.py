"""Sums for pairs of tracks: only pairs that met are held, however many tracks there are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

_WAITING = 1 << 16
"""Values that wait before they are added up."""
_SHIFT = 32

Ints = NDArray[np.int64]
Floats64 = NDArray[np.float64]


class PairSums:
    """For each pair of a true and a judged track the sums of ``columns`` values."""

    def __init__(self, columns: int = 1) -> None:
        self._keys: Ints = np.zeros(0, np.int64)
        self._sums: Floats64 = np.zeros((0, columns))
        self._new: list[tuple[Ints, Floats64]] = []
        self._waiting = 0

    def add(self, truths: Ints, judged: Ints, values: Floats64) -> None:
        """Add ``values`` (N, columns) to the sums of N pairs of track numbers (N,), from 0."""
        self._new.append(((truths << _SHIFT) | judged, values))
        self._waiting += len(truths)
        if self._waiting > max(_WAITING, len(self._keys)):
            self._add_up()

    def pairs(self) -> tuple[Ints, Ints, Floats64]:
        """The tracks of all pairs (P,), (P,) and their sums (P, columns)."""
        self._add_up()
        return self._keys >> _SHIFT, self._keys & ((1 << _SHIFT) - 1), self._sums

    def of(self, truths: Ints, judged: Ints) -> Floats64:
        """Sums (N, columns) of N pairs; 0 of a pair that never met."""
        self._add_up()
        keys = (truths << _SHIFT) | judged
        if not len(self._keys):
            return np.zeros((len(keys), self._sums.shape[1]))
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where((self._keys[at] == keys)[:, None], self._sums[at], 0.0)

    def _add_up(self) -> None:
        if not self._new:
            return
        keys, places = np.unique(np.concatenate([self._keys, *(new for new, _ in self._new)]), return_inverse=True)
        values = np.concatenate([self._sums, *(new for _, new in self._new)])
        self._sums = np.stack([np.bincount(places, column, len(keys)) for column in values.T], axis=1)
        self._keys, self._new, self._waiting = keys, [], 0


def best_pairing(sums: PairSums) -> float:
    """The largest total of sums of pairs in which each track is at most once."""
    truths, judged, values = sums.pairs()
    if not len(truths):
        return 0.0
    rows, true_row = np.unique(truths, return_inverse=True)
    columns, judged_column = np.unique(judged, return_inverse=True)
    weights = values[:, 0]
    # A full matching is asked for: each true track can also be given a column of its own, which is worth nothing.
    none = np.arange(len(rows))
    costs = np.concatenate([1 + weights.max() - weights, np.full(len(rows), 1 + weights.max())])
    places = (np.concatenate([true_row, none]), np.concatenate([judged_column, len(columns) + none]))
    graph = csr_matrix((costs, places), shape=(len(rows), len(columns) + len(rows)))
    matched = min_weight_full_bipartite_matching(graph)
    return float((1 + weights.max() - np.asarray(graph[matched]).ravel()).sum())
