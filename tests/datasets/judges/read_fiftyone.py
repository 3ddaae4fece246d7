"""FiftyOne reads ``golden/fiftyone.json``: ``python read_fiftyone.py VIDEO``, with FIFTYONE_DATABASE_DIR an empty folder."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fiftyone
from verdict import HEIGHT, WIDTH, Read, judge


def found(folder: Path, video: str) -> Iterator[Read]:
    """What it reads."""
    (folder / "data").mkdir()
    (folder / "labels").mkdir()
    shutil.copy(video, folder / "data" / "video.mp4")
    shutil.copy(Path(__file__).parent.parent / "golden" / "fiftyone.json", folder / "labels" / "video.json")
    index = [{"data": "data/video.mp4", "labels": "labels/video.json"}]
    manifest = {"type": "eta.core.datasets.LabeledVideoDataset", "description": "", "index": index}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    kind = fiftyone.types.FiftyOneVideoLabelsDataset
    dataset = fiftyone.Dataset.from_dir(dataset_dir=str(folder), dataset_type=kind, progress=False)
    (sample,) = dataset
    for number, frame in sample.frames.items():
        objects = next((value for name, value in frame.iter_fields() if isinstance(value, fiftyone.Detections)), None)
        for one in objects.detections if objects is not None else ():
            mask = None if one.mask is None else one.to_segmentation(frame_size=(WIDTH, HEIGHT)).mask
            yield number - 1, one.index, one.label, one.confidence, mask


with tempfile.TemporaryDirectory() as working:
    sys.exit(judge("fiftyone", list(found(Path(working), sys.argv[1]))))
