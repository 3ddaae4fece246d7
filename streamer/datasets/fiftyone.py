"""FiftyOne's video labels: ``manifest.json``, ``labels/video.json``, and a copy of the recording in ``data``."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections import Counter
from typing import Any

import numpy as np

from streamer.datasets.constant_rate_video import even_size
from streamer.datasets.dataset import VIDEO, DatasetInfo
from streamer.datasets.stored_frame import OTHER_BOX, StoredFrame, StoredObject
from streamer.instances import Bools


class FiftyOneDataset:
    """Implements ``Dataset``. Frames are counted from 1, those of a copy at a constant rate. Masks lie in boxes: an object's
    box is that of its mask's pixels, so that the mask is exact."""

    def __init__(self, info: DatasetInfo) -> None:
        self.lost: Counter[str] = Counter()
        self._info = info
        self._width, self._height = even_size((info.width, info.height))
        self._frames = 0
        (info.folder / "labels").mkdir()
        self._file = (info.folder / "labels" / "video.json").open("x", encoding="utf-8")
        self._file.write('{"frames":{')

    def add(self, frame: StoredFrame) -> None:
        """Write the objects of a frame."""
        self._frames += 1
        made = {"frame_number": self._frames, "objects": {"objects": [self._object(one) for one in frame.objects]}}
        self._file.write(("," if self._frames > 1 else "") + f'\n"{self._frames}":' + json.dumps(made, separators=(",", ":")))

    def finish(self) -> None:
        """Complete the labels, and write the manifest."""
        self._file.write("}}\n")
        self.close()
        index = [{"data": VIDEO, "labels": "labels/video.json"}]
        told = {"type": "eta.core.datasets.LabeledVideoDataset", "description": self._info.source, "index": index}
        (self._info.folder / "manifest.json").write_text(json.dumps(told) + "\n", encoding="utf-8")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _object(self, one: StoredObject) -> dict[str, Any]:
        left, top, right, bottom = one.box_xyxy
        crop = one.crop()
        said: dict[str, Any] = {"label": self._info.labels[one.class_id], "confidence": one.score}
        if one.track_id is not None:
            said["index"] = one.track_id
        if crop is None:
            self.lost["without a mask"] += 1
        else:
            height, width = crop.mask.shape
            left, top, right, bottom = crop.x0, crop.y0, crop.x0 + width, crop.y0 + height
            if one.has_other_box(crop):
                self.lost[OTHER_BOX] += 1
            said["mask"] = _packed(crop.mask)
        corners = {"top_left": (left, top), "bottom_right": (right, bottom)}
        said["bounding_box"] = {name: {"x": x / self._width, "y": y / self._height} for name, (x, y) in corners.items()}
        return said


def _packed(mask: Bools) -> str:
    """A mask as FiftyOne holds it: an array of NumPy's file format, packed by zlib, in base64."""
    file = io.BytesIO()
    np.save(file, mask, allow_pickle=False)
    return base64.b64encode(zlib.compress(file.getvalue())).decode("ascii")
