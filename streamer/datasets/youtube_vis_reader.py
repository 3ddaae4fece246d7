"""YouTube-VIS, read back."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from streamer.datasets.coco_reader import outline_of
from streamer.datasets.corrected import OUTSIDE, CorrectedObject, box_within
from streamer.datasets.stored_frame import frame_of_name
from streamer.sinks.coco_masks import tight_box
from streamer.sinks.stored import StoredRecords


class YoutubeVisReader:
    """One annotation a track. The file is read as a whole: it takes several times its size of memory.

    Frames are told by the pictures' names, ``frame_000012.jpg``, else by their place.
    """

    names_empty_frames = True

    def __init__(self, path: Path, stored: StoredRecords, every: int) -> None:
        """A frame of the file is ``every`` frames of the records. Raises ``ValueError`` and the like, and ``OSError``."""
        self.lost: Counter[str] = Counter()
        self._size = stored.size
        data = json.loads(path.read_bytes())
        if len(data["videos"]) != 1:
            raise ValueError(f"it is of {len(data['videos'])} videos, records are of one")
        (video,) = data["videos"]
        if (video["width"], video["height"]) != self._size:
            raise ValueError(f"its pictures are {video['width']}x{video['height']}, not {self._size[0]}x{self._size[1]}")
        named = [frame_of_name(name) for name in video["file_names"]]
        self.by_place = any(frame is None for frame in named)
        self._frames = [place * every if frame is None or self.by_place else frame for place, frame in enumerate(named)]
        self._names: dict[int, str] = {one["id"]: one["name"] for one in data["categories"]}
        self._by_frame: dict[int, list[tuple[dict[str, Any], int]]] = {}
        for one in data["annotations"]:
            if not len(one["segmentations"]) == len(one["bboxes"]) == len(named):
                raise ValueError(f"annotation {one['id']} is not of {len(named)} frames")
            for place, (segmentation, box) in enumerate(zip(one["segmentations"], one["bboxes"], strict=True)):
                if segmentation or box:
                    self._by_frame.setdefault(self._frames[place], []).append((one, place))

    @property
    def frames(self) -> set[int]:
        """All frames of the video."""
        return set(self._frames)

    def objects(self, frame: int) -> list[CorrectedObject]:
        """The objects of a frame."""
        made = [self._object(one, place) for one, place in self._by_frame.get(frame, ())]
        self.lost[OUTSIDE] += made.count(None)
        return [one for one in made if one is not None]

    def _object(self, one: dict[str, Any], place: int) -> CorrectedObject | None:
        mask = outline_of(one["segmentations"][place], self._size)
        if mask is not None:
            within = tight_box(mask)
        else:
            left, top, width, height = map(float, one["bboxes"][place])
            within = box_within(left, top, left + width, top + height, self._size)
        if within is None:
            return None
        scores = one.get("scores")
        track = one.get("track_id", one["id"])
        return CorrectedObject(
            class_name=self._names[one["category_id"]],
            score=float(one.get("score", 1.0) if scores is None else scores[place]),
            track="",
            track_id=None if track is None else int(track),
            box_xyxy=within,
            mask=mask,
        )
