"""What was found, as a list of COCO results that ``pycocotools`` evaluates."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from streamer.errors import OutputWriteFailed
from streamer.frame import StreamInfo
from streamer.sinks.atomic import PendingFile
from streamer.sinks.coco_masks import clipped, mask_rles
from streamer.stages import Annotated


class CocoResults:
    """Writes one COCO results file: ``[{"image_id", "category_id", "bbox", "score", "segmentation"}, …]``.

    ``image_id`` is the frame's index, ``category_id`` the class id of the detector's label map, ``bbox`` is left, top, width,
    height in pixels of the displayed picture and ends at its edges, ``segmentation`` is compressed RLE. An instance without a
    mask has no ``segmentation``: as every result has a ``bbox``, ``COCO.loadRes`` takes the list for boxes and makes the
    rectangle the outline of those, whichever comes first.

    Results are written as they come to a hidden file beside ``path`` that becomes ``path`` at the end, since half a JSON list
    is none. Raises ``OutputRefused`` at construction when ``path`` exists or cannot be written.
    """

    name = "coco"

    def __init__(self, path: str | os.PathLike[str], info: StreamInfo, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self._info = info
        self._separator = "[\n"
        self._pending = PendingFile(self.path, overwrite=overwrite)
        self._file = self._pending.temporary.open("w", encoding="ascii")

    def write(self, item: Annotated) -> None:
        """Append the frame's results. Raises ``OutputWriteFailed``."""
        width, height = self._info.width, self._info.height
        instances = item.instances.usable(width, height)
        masks = mask_rles(instances, width, height)
        for class_id, score, (left, top, right, bottom), mask in zip(
            instances.class_ids.tolist(), instances.scores.tolist(), clipped(instances, self._info).tolist(), masks, strict=True
        ):
            result: dict[str, object] = {
                "image_id": item.frame.index,
                "category_id": class_id,
                "bbox": [round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2)],
                "score": round(score, 5),
            }
            if mask is not None:
                result["segmentation"] = mask
            self._put(self._separator + json.dumps(result, allow_nan=False))
            self._separator = ",\n"

    def finish(self) -> None:
        """Close the list and give the file its name. Raises ``OutputWriteFailed``, or ``OutputRefused`` if it exists by now."""
        self._put("[]\n" if self._separator == "[\n" else "\n]\n")
        try:
            self._file.close()
        except OSError as error:
            raise self._failed(error) from error
        self._pending.commit()

    def abandon(self) -> None:
        """Remove what was written."""
        with suppress(OSError):  # closing flushes, and a full disk is why we may be here
            self._file.close()
        self._pending.discard()

    def _put(self, text: str) -> None:
        try:
            self._file.write(text)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputWriteFailed:
        return OutputWriteFailed(
            f"cannot write the COCO results to {self.path}: {error.strerror}", hint="make room or write elsewhere"
        )
