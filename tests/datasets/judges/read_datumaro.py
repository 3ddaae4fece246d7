"""Datumaro reads ``golden/datumaro.json``: ``python read_datumaro.py``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import datumaro
import numpy as np
from datumaro.components.annotation import AnnotationType
from verdict import Read, judge


def found(folder: Path) -> Iterator[Read]:
    """What it reads."""
    (folder / "annotations").mkdir()
    shutil.copy(Path(__file__).parent.parent / "golden" / "datumaro.json", folder / "annotations" / "default.json")
    dataset = datumaro.Dataset.import_from(str(folder), "datumaro")
    names = [label.name for label in dataset.categories()[AnnotationType.label]]
    for item in dataset:
        for one in item.annotations:
            mask = np.asarray(one.image) if one.type == AnnotationType.mask else None
            said = one.attributes
            yield item.attributes["frame"], said.get("track_id"), names[one.label], said["score"], mask


with tempfile.TemporaryDirectory() as working:
    sys.exit(judge("datumaro", list(found(Path(working)))))
