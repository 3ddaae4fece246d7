"""All figures of one class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.comparison.average_precision import AveragePrecision
from streamer.comparison.hota import Hota, HotaCounts
from streamer.comparison.identities import Identities, IdentityCounts
from streamer.comparison.objects import Objects, mask_overlaps
from streamer.instances import NO_TRACK

Floats64 = NDArray[np.float64]
_NO_FIGURES = np.full(10, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class ClassFigures:
    """What came out; of one class or of all."""

    truth_objects: int
    judged_objects: int
    box_ap: Floats64
    """Average precision of boxes, 0..1, at overlaps of 0.5, 0.55 … 0.95; NaN where nothing is to be judged."""
    mask_ap: Floats64
    identities: IdentityCounts
    hota: HotaCounts
    tracked: bool
    """Whether both have tracks, without which there are no figures of identities."""

    def as_dict(self) -> dict[str, float | int | None]:
        """Names and figures; None where there is none."""
        ids, hota = self.identities, self.hota
        told = {
            "ap": _mean(self.box_ap),
            "ap50": float(self.box_ap[0]),
            "ap75": float(self.box_ap[5]),
            "mask_ap": _mean(self.mask_ap),
            "mask_ap50": float(self.mask_ap[0]),
        }
        of_tracks = {"hota": hota.hota, "det_a": hota.detection, "ass_a": hota.associated, "idf1": ids.idf1, "mota": ids.mota}
        counts = {"switches": ids.switches, "missed": ids.missed, "extra": ids.extra}
        return {
            "truth_objects": self.truth_objects,
            "judged_objects": self.judged_objects,
            **{name: None if np.isnan(value) else round(value, 6) for name, value in told.items()},
            **{name: round(value, 6) if self.tracked and not np.isnan(value) else None for name, value in of_tracks.items()},
            **{name: value if self.tracked else None for name, value in counts.items()},
        }


class ClassJudge:
    """Takes the objects of one class frame by frame."""

    def __init__(self) -> None:
        self.truth_objects = 0
        self.judged_objects = 0
        self.tracked = [False, False]
        """Whether anything of the truth, and of what is judged, has a track."""
        self.masked = [False, False]
        self._boxes = AveragePrecision()
        self._masks = AveragePrecision()
        self._identities = Identities()
        self._hota = Hota()
        self._numbers: tuple[dict[int, int], dict[int, int]] = {}, {}

    def add(self, truth: Objects, judged: Objects, rows: NDArray[np.int64], columns: NDArray[np.int64], iou: Floats64) -> None:
        """Judge a frame: which rows of its objects are of this class, and the overlaps of all boxes. Raises ``OSError``."""
        self.truth_objects += len(rows)
        self.judged_objects += len(columns)
        self._boxes.add(iou[np.ix_(rows, columns)], judged.scores[columns])
        ours = [mask for row in rows.tolist() if (mask := truth.masks[row]) is not None]
        theirs = [column for column in columns.tolist() if judged.masks[column] is not None]
        overlaps = mask_overlaps(ours, [mask for column in theirs if (mask := judged.masks[column]) is not None])
        self._masks.add(overlaps, judged.scores[theirs])
        self.masked = [self.masked[0] or bool(ours), self.masked[1] or bool(theirs)]
        rows, columns = rows[truth.tracks[rows] != NO_TRACK], columns[judged.tracks[columns] != NO_TRACK]
        self.tracked = [self.tracked[0] or len(rows) > 0, self.tracked[1] or len(columns) > 0]
        numbers = [
            np.array([known.setdefault(track, len(known)) for track in tracks.tolist()], np.int64)
            for known, tracks in zip(self._numbers, (truth.tracks[rows], judged.tracks[columns]), strict=True)
        ]
        of_tracks = iou[np.ix_(rows, columns)]
        self._identities.add(numbers[0], numbers[1], of_tracks)
        self._hota.add(numbers[0], numbers[1], of_tracks)

    def figures(self, *, tracked: bool, masked: bool) -> ClassFigures:
        """What came out, once; whether both files have tracks and masks at all. Raises ``OSError``."""
        return ClassFigures(
            truth_objects=self.truth_objects,
            judged_objects=self.judged_objects,
            box_ap=self._boxes.figures(),
            mask_ap=self._masks.figures() if masked else _NO_FIGURES,
            identities=self._identities.counts(),
            hota=self._hota.counts(),
            tracked=tracked,
        )

    def close(self) -> None:
        """Let go of the temporary file. May be called twice."""
        self._hota.close()


def of_all(classes: list[ClassFigures], *, tracked: bool) -> ClassFigures:
    """Average precision is the mean over classes that have true objects, all else the sum over all objects."""
    return ClassFigures(
        truth_objects=sum(one.truth_objects for one in classes),
        judged_objects=sum(one.judged_objects for one in classes),
        box_ap=_over([one.box_ap for one in classes]),
        mask_ap=_over([one.mask_ap for one in classes]),
        identities=sum((one.identities for one in classes), IdentityCounts()),
        hota=sum((one.hota for one in classes), HotaCounts.none()),
        tracked=tracked,
    )


def _over(figures: list[Floats64]) -> Floats64:
    known = [one for one in figures if not np.isnan(one).any()]
    return np.mean(known, axis=0) if known else _NO_FIGURES


def _mean(figures: Floats64) -> float:
    return float(figures.mean())
