"""Datumaro reads ``datumaro.json``, ``cvat.xml`` and ``mot.txt`` of ``golden``: ``python read_datumaro.py``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import datumaro
import numpy as np
from datumaro.components.annotation import AnnotationType
from verdict import NAMES, SCORES, Read, judge, scene

GOLDEN = Path(__file__).parent.parent / "golden"


def datumaro_json(folder: Path) -> Iterator[Read]:
    """What it reads of its own format."""
    (folder / "annotations").mkdir()
    shutil.copy(GOLDEN / "datumaro.json", folder / "annotations" / "default.json")
    dataset = datumaro.Dataset.import_from(str(folder), "datumaro")
    names = [label.name for label in dataset.categories()[AnnotationType.label]]
    for item in dataset:
        for one in item.annotations:
            mask = np.asarray(one.image) if one.type == AnnotationType.mask else None
            said = one.attributes
            yield item.attributes["frame"], said.get("track_id"), names[one.label], said["score"], mask


def cvat(folder: Path) -> Iterator[Read]:
    """What it reads of CVAT for video. What has no track of ours has an id above all of them."""
    shutil.copy(GOLDEN / "cvat.xml", folder / "annotations.xml")
    dataset = datumaro.Dataset.import_from(str(folder), "cvat")
    names = [label.name for label in dataset.categories()[AnnotationType.label]]
    ours = {track for _, objects in scene() for _, track, _, _ in objects if track is not None}
    for item in dataset:
        for one in item.annotations:
            said = one.attributes
            if not said["outside"]:
                track = said["track_id"] if said["track_id"] in ours else None
                yield item.attributes["frame"], track, names[one.label], float(said["score"]), None


def mot(folder: Path) -> Iterator[Read]:
    """What it reads of MOT, which knows neither classes nor scores: those of the scene stand in."""
    (folder / "gt").mkdir()
    shutil.copy(GOLDEN / "mot.txt", folder / "gt" / "gt.txt")
    shutil.copy(GOLDEN / "mot.ini", folder / "seqinfo.ini")
    said = {
        (frame, track): (NAMES[class_id], SCORES[row])
        for frame, (_, objects) in enumerate(scene())
        for row, (class_id, track, _, _) in enumerate(objects)
    }
    for item in datumaro.Dataset.import_from(str(folder), "mot_seq"):
        for one in item.annotations:
            frame, track = int(item.id) - 1, one.attributes["track_id"]
            yield frame, track, *said.get((frame, track), ("", 0.0)), None


wrong = 0
for kind, options in ((datumaro_json, {}), (cvat, {"masks": False}), (mot, {"masks": False, "untracked": False})):
    with tempfile.TemporaryDirectory() as working:
        wrong += judge(f"datumaro, {kind.__name__}", list(kind(Path(working))), **options)
sys.exit(1 if wrong else 0)
