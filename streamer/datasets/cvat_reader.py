"""CVAT for video 1.1, read back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from streamer.datasets.corrected import OUTSIDE, CorrectedObject, box_within, mask_and_box, refuse_another_size, track_of
from streamer.datasets.cvat_shapes import CvatShapes
from streamer.sinks.coco_masks import Crop, Rle, rle_within, tight_box
from streamer.sinks.stored import StoredRecords


class CvatReader:
    """The objects of a CVAT file by frame: of tracks, and of shapes of single images.

    CVAT writes every frame of a track, also those that it has interpolated. What is outside is not there. Shapes stay in the
    file until their frame comes.
    """

    by_place = True
    names_empty_frames = False

    def __init__(self, path: Path, stored: StoredRecords, every: int) -> None:
        """A frame of the file is ``every`` frames of the recording.

        Raises ``ValueError`` or ``TypeError`` for a file that is none, and ``OSError``.
        """
        self.lost: Counter[str] = Counter()
        self._size = stored.size
        found = CvatShapes(path, every)
        self._spans, self._labels, self._encoding = found.spans, found.labels, found.encoding
        for told in found.sizes:
            refuse_another_size(told, self._size)
        for kind, count in found.others.items():
            self.lost[f"left out, since they are of the kind {kind}"] = count

    @property
    def frames(self) -> set[int]:
        """Places of frames that have objects: the file does not say which ones were looked at."""
        return self._spans.frames

    def objects(self, frame: int) -> list[CorrectedObject]:
        """The objects of a frame."""
        made = []
        for piece in self._spans.pieces(frame):
            try:
                shape = ET.fromstring(piece.content, ET.XMLParser(encoding=self._encoding))
            except ET.ParseError as error:
                raise ValueError(f"{piece.content[:60]!r} cannot be read by itself: {error}") from error
            label = self._labels[piece.owner]
            one = self._object(shape, str(shape.get("label")) if label is None else label, piece.owner)
            if one is None:
                self.lost[OUTSIDE] += 1
            else:
                made.append(one)
        return made

    def _object(self, shape: ET.Element, label: str, number: int) -> CorrectedObject | None:
        said = {attribute.get("name"): (attribute.text or "").strip() for attribute in shape.iterfind("attribute")}
        own, track_id = track_of(said.get("track_id"))
        if shape.tag == "box":
            left, top, right, bottom = (float(str(shape.get(name))) for name in ("xtl", "ytl", "xbr", "ybr"))
            within = box_within(left, top, right, bottom, self._size)
            if within is None:
                return None
            mask = None
        else:
            mask = self._polygon(shape) if shape.tag == "polygon" else self._mask(shape)
            within = None if mask is None else tight_box(mask)
            if within is None:
                return None
        return CorrectedObject(
            class_name=label,
            score=float(said.get("score") or 1.0),
            # Our exports give 0 to what had no track.
            track="" if own == "0" or not number else f"track {number}",
            track_id=track_id,
            box_xyxy=within,
            mask=mask,
        )

    def _polygon(self, shape: ET.Element) -> Rle:
        points = [float(part) for point in str(shape.get("points")).split(";") for part in point.split(",")]
        return rle_within([points], *self._size)

    def _mask(self, shape: ET.Element) -> Rle | None:
        """Runs along the rows of the mask's own box, those that are not set first."""
        left, top, width, height = (int(float(str(shape.get(name)))) for name in ("left", "top", "width", "height"))
        counts = [int(part) for part in str(shape.get("rle")).split(",")]
        if width > self._size[0] or height > self._size[1]:
            raise ValueError(f"a mask of {width}x{height} in a picture of {self._size[0]}x{self._size[1]}")
        if sum(counts) != width * height:
            raise ValueError(f"runs of {sum(counts)} pixels do not fill {width}x{height}")
        inner = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
        x0, y0 = max(0, left), max(0, top)
        within = inner[max(0, -top) :, max(0, -left) :][: max(0, self._size[1] - y0), : max(0, self._size[0] - x0)]
        outline = mask_and_box(Crop(x0, y0, within), self._size)
        return None if outline is None else outline[0]
