"""HOTA of one class, by TrackEval's rules, fed frame by frame."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from streamer.comparison.pair_sums import PairSums

_ALPHAS = np.arange(0.05, 0.99, 0.05)
"""Overlaps from which a pair counts as matched; figures are means over them."""
_EPSILON = np.finfo(np.float64).eps
_IN_MEMORY = 1 << 18
"""Bytes of overlaps of a class that are held before they go to a temporary file."""

Ints = NDArray[np.int64]
Floats64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HotaCounts:
    """What was counted at each alpha; sums over classes are made of them."""

    matched: Floats64
    missed: Floats64
    extra: Floats64
    association: Floats64
    """Sum over matched objects of how well their tracks fit, 0..1 each."""

    @classmethod
    def none(cls) -> HotaCounts:
        """Of nothing."""
        return cls(*(np.zeros(len(_ALPHAS)) for _ in range(4)))

    def __add__(self, other: HotaCounts) -> HotaCounts:
        return HotaCounts(
            self.matched + other.matched,
            self.missed + other.missed,
            self.extra + other.extra,
            self.association + other.association,
        )

    @property
    def detection(self) -> float:
        """DetA, 0..1."""
        return float(self._detection.mean())

    @property
    def associated(self) -> float:
        """AssA, 0..1."""
        return float(self._association.mean())

    @property
    def hota(self) -> float:
        """0..1; NaN without true objects."""
        if not (self.matched + self.missed).any():
            return float("nan")
        return float(np.sqrt(self._detection * self._association).mean())

    @property
    def _detection(self) -> Floats64:
        return self.matched / np.maximum(1, self.matched + self.missed + self.extra)

    @property
    def _association(self) -> Floats64:
        return self.association / np.maximum(1, self.matched)


class Hota:
    """Which tracks belong together is known only at the end: overlaps wait in a temporary file until then."""

    def __init__(self) -> None:
        # It lives as long as this object and has no name.
        self._waiting = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._fits = PairSums()
        self._lengths = array("q"), array("q")
        self._unmatched = [0, 0]

    def add(self, truths: Ints, judged: Ints, overlaps: Floats64) -> None:
        """Keep a frame: track numbers (T,), (J,), from 0, each once, and overlaps (T, J) 0..1. Raises ``OSError``."""
        for lengths, tracks in zip(self._lengths, (truths, judged), strict=True):
            for track in tracks.tolist():
                lengths.extend([0] * (track + 1 - len(lengths)))
                lengths[track] += 1
        rows, columns = np.nonzero(overlaps)
        if not len(rows):
            self._unmatched[0] += len(truths)
            self._unmatched[1] += len(judged)
            return
        kept = overlaps[rows, columns]
        either = overlaps.sum(axis=0)[columns] + overlaps.sum(axis=1)[rows] - kept
        self._fits.add(truths[rows], judged[columns], (kept / np.maximum(either, _EPSILON))[:, None])
        for part in (np.array([len(truths), len(judged), len(rows)]), truths, judged, rows, columns, kept):
            self._waiting.write(part.astype(np.float64 if part is kept else np.int64).tobytes())

    def counts(self) -> HotaCounts:
        """What was counted. Raises ``OSError``."""
        true_lengths, judged_lengths = (np.array(lengths, np.float64) for lengths in self._lengths)
        matched = np.zeros(len(_ALPHAS))
        truths, found = self._unmatched
        pairs = PairSums(len(_ALPHAS))
        for true_tracks, judged_tracks, overlaps in self._frames():
            rows, columns = (axis.ravel() for axis in np.indices(overlaps.shape))
            fits = self._fits.of(true_tracks[rows], judged_tracks[columns])[:, 0]
            lengths = true_lengths[true_tracks[rows]] + judged_lengths[judged_tracks[columns]]
            alignment = (fits / (lengths - fits)).reshape(overlaps.shape)
            row, column = linear_sum_assignment(-alignment * overlaps)
            passed = overlaps[row, column][:, None] >= _ALPHAS - _EPSILON
            matched += passed.sum(axis=0)
            any_ = passed[:, 0]
            pairs.add(true_tracks[row[any_]], judged_tracks[column[any_]], passed[any_].astype(np.float64))
            truths += len(true_tracks)
            found += len(judged_tracks)
        true_pair, judged_pair, together = pairs.pairs()
        either = (true_lengths[true_pair] + judged_lengths[judged_pair])[:, None] - together
        association = (together * together / np.maximum(1, either)).sum(axis=0)
        return HotaCounts(matched, truths - matched, found - matched, association)

    def close(self) -> None:
        """Let go of the temporary file. May be called twice."""
        self._waiting.close()

    def _frames(self) -> Iterator[tuple[Ints, Ints, Floats64]]:
        self._waiting.seek(0)
        while head := self._waiting.read(24):
            truths, judged, pairs = np.frombuffer(head, np.int64).tolist()
            tracks = np.frombuffer(self._waiting.read(8 * (truths + judged)), np.int64)
            places = np.frombuffer(self._waiting.read(16 * pairs), np.int64).reshape(2, pairs)
            overlaps = np.zeros((truths, judged))
            overlaps[places[0], places[1]] = np.frombuffer(self._waiting.read(8 * pairs), np.float64)
            yield tracks[:truths], tracks[truths:], overlaps
