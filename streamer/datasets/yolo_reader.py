"""YOLO's text files, read back: boxes and outlines."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import yaml

from streamer.datasets.corrected import OUTSIDE, CorrectedObject, box_within, mask_and_box
from streamer.datasets.stored_frame import frame_of_name
from streamer.errors import SourceNotFound
from streamer.sinks.coco_masks import Crop
from streamer.sinks.stored import StoredRecords

_INSIDE = 0.25
"""How far into its pixel our exports put a point, for readers that cut and readers that round."""


class YoloReader:
    """A folder with ``data.yaml`` and ``labels``; frames are told by the names of the files, ``frame_000012.txt``.

    A line has a class and either a box (centre and size) or an outline, as shares of the picture, and maybe a score.
    """

    by_place = False
    names_empty_frames = True

    def __init__(self, path: Path, stored: StoredRecords, _every: int) -> None:
        """``path``: the folder, or its ``data.yaml``. Raises ``ValueError`` and the like, and ``OSError``."""
        self.lost: Counter[str] = Counter()
        self._size = stored.size
        folder = path if path.is_dir() else path.parent
        self._names = _class_names((folder / "data.yaml").read_bytes())
        self._files: dict[int, Path] = {}
        for file in sorted((folder / "labels").rglob("*.txt")):
            if (frame := frame_of_name(file.name)) is None:
                self.lost[f"in {file.name}, whose name tells no frame"] += len(file.read_bytes().splitlines())
            elif frame in self._files:
                raise ValueError(f"{self._files[frame]} and {file} are of one frame")
            else:
                self._files[frame] = file
        if not self._files:
            raise ValueError(f"there are no files like frame_000012.txt in {folder / 'labels'}")

    @property
    def frames(self) -> set[int]:
        """Frames that have a file."""
        return set(self._files)

    def objects(self, frame: int) -> list[CorrectedObject]:
        """The objects of a frame."""
        file = self._files.get(frame)
        if file is None:
            return []
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"{file.name} is no text in UTF-8") from error
        except OSError as error:
            raise SourceNotFound(f"cannot read {file}: {error.strerror}", hint="check the path") from error
        made = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                one = self._object(line.split())
            except (ValueError, OverflowError) as error:
                raise ValueError(f"{file.name}, line {number}: {error}") from error
            if one is None:
                self.lost[OUTSIDE] += 1
            else:
                made.append(one)
        return made

    def _object(self, parts: list[str]) -> CorrectedObject | None:
        values = [float(part) for part in parts[1:]]
        if not all(map(math.isfinite, values)):
            raise ValueError("expected numbers")
        name = self._names.get(int(parts[0]))
        if name is None:
            raise ValueError(f"class {parts[0]} has no name in data.yaml")
        # A box has four numbers, an outline at least six; what is one more is a score.
        scored = len(values) % 2 == 1
        shares = values[:-1] if scored else values
        score = values[-1] if scored else 1.0
        width, height = self._size
        mask = None
        if len(shares) == 4:
            x, y, w, h = shares
            box = box_within((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height, self._size)
            if box is None:
                return None
        elif len(shares) >= 6:
            outline = mask_and_box(self._painted(shares), self._size)
            if outline is None:
                return None
            mask, box = outline
        else:
            raise ValueError(f"expected 4 numbers of a box or 6 and more of an outline, got {len(values)}")
        return CorrectedObject(class_name=name, score=score, track="", track_id=None, box_xyxy=box, mask=mask)

    def _painted(self, shares: list[float]) -> Crop:
        """The mask of an outline that runs through the numbers of pixels."""
        size = np.array(self._size)
        points = np.rint(np.clip(np.array(shares).reshape(-1, 2), -1.0, 2.0) * size - _INSIDE).astype(np.int32)
        x0, y0 = np.clip(points.min(axis=0), 0, size).tolist()
        x1, y1 = np.clip(points.max(axis=0) + 1, (x0, y0), size).tolist()
        pixels = np.zeros((y1 - y0, x1 - x0), np.uint8)
        if pixels.size:
            cv2.fillPoly(pixels, [points - np.array([x0, y0], np.int32)], (1,))
        return Crop(x0, y0, pixels.view(np.bool_))


def _class_names(text: bytes) -> dict[int, str]:
    """Classes of ``data.yaml``: a list of names, or numbers and names, as they are written there.

    Nothing else of it is made: what refers to itself, or to large parts over and over, would never end.
    """
    try:
        told = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"data.yaml is no YAML: {' '.join(str(error).split())}") from error
    entries = told.value if isinstance(told, yaml.MappingNode) else ()
    names = next((value for key, value in entries if key.value == "names"), None)
    if isinstance(names, yaml.SequenceNode):
        pairs = list(enumerate(names.value))
    elif isinstance(names, yaml.MappingNode):
        pairs = [(int(key.value), value) for key, value in names.value]
    else:
        raise ValueError("data.yaml has no names of classes")  # noqa: TRY004  # as for all else that is none
    if not all(isinstance(name, yaml.ScalarNode) for _, name in pairs):
        raise ValueError("data.yaml has something else than text for the name of a class")
    return {number: name.value for number, name in pairs}
