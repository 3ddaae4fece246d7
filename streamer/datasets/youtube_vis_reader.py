"""YouTube-VIS, read back."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from streamer.datasets.coco_reader import names_of, outline_of
from streamer.datasets.corrected import OUTSIDE, CorrectedObject, box_around, box_within, refuse_another_size, track_of
from streamer.datasets.json_walk import JsonWalk
from streamer.datasets.spans_by_frame import SpansByFrame
from streamer.datasets.stored_frame import frame_of_name
from streamer.sinks.coco_masks import tight_box
from streamer.sinks.stored import StoredRecords

_LISTS = ("segmentations", "bboxes", "scores")
"""What an annotation has an entry of for each frame."""
_OF_A_TRACK = ("id", "category_id", "track_id", "score")
"""What is kept of an annotation besides. Others, as ``areas``, have an entry for each frame, too, and are passed over."""


class YoutubeVisReader:
    """One annotation a track; its shapes stay in the file until their frame comes.

    Frames are told by the pictures' names, ``frame_000012.jpg``, else by their place.
    """

    names_empty_frames = True

    def __init__(self, path: Path, stored: StoredRecords, every: int) -> None:
        """A frame of the file is ``every`` frames of the records. Raises ``ValueError`` and the like, and ``OSError``."""
        self.lost: Counter[str] = Counter()
        self._size = stored.size
        self._names: dict[Any, str] = {}
        self._tracks: list[dict[str, Any]] = []
        self._spans = {name: SpansByFrame(path) for name in _LISTS}
        with path.open("rb") as file:
            video = self._walk(JsonWalk(file))
        for spans in self._spans.values():
            spans.finish()
        named = [frame_of_name(name) for name in video["file_names"]]
        self.by_place = any(frame is None for frame in named)
        self._places: dict[int, list[int]] = {}
        for place, frame in enumerate(named):
            self._places.setdefault(place * every if frame is None or self.by_place else frame, []).append(place)
        for track in self._tracks:
            if any(track[name] not in (None, len(named)) for name in _LISTS):
                raise ValueError(f"annotation {track['id']} is not of {len(named)} frames")

    def _walk(self, walk: JsonWalk) -> dict[str, Any]:
        """Note the annotations, and where their shapes are; the video that they are of."""
        videos: list[dict[str, Any]] = []
        found = set()
        for key in walk.entries():
            found.add(key)
            if key == "videos":
                videos += walk.value()
            elif key == "categories":
                self._names |= names_of(walk.value())
            elif key == "annotations":
                for _ in walk.elements():
                    self._tracks.append(self._track(walk))
        walk.finish()
        if "videos" not in found:
            raise KeyError("videos")
        if len(videos) != 1:
            raise ValueError(f"it is of {len(videos)} videos, records are of one")
        (video,) = videos
        refuse_another_size((video["width"], video["height"]), self._size)
        for key in ("categories", "annotations"):
            if key not in found:
                raise KeyError(key)
        return video

    def _track(self, walk: JsonWalk) -> dict[str, Any]:
        """What is said of a whole track; of its lists only how many entries they have."""
        track: dict[str, Any] = {"scores": None}
        for key in walk.entries():
            if key in _LISTS:
                track[key] = self._entries(key, walk)
            elif key in _OF_A_TRACK:
                track[key] = walk.value()
        for key in ("id", "category_id", "segmentations", "bboxes"):
            if key not in track:
                raise KeyError(key)
        return track

    def _entries(self, name: str, walk: JsonWalk) -> int | None:
        """Note the entries of a list that are not null; how many it has, None where it is null itself."""
        if name == "scores" and walk.at_null():
            return None
        place = -1
        for place in walk.elements(over_nulls=True):
            if walk.value() is not None:
                self._spans[name].add(place, *walk.span, len(self._tracks))
        return place + 1

    @property
    def frames(self) -> set[int]:
        """All frames of the video."""
        return set(self._places)

    def objects(self, frame: int) -> list[CorrectedObject]:
        """The objects of a frame."""
        made = [one for place in self._places.get(frame, ()) for one in self._at(place)]
        self.lost[OUTSIDE] += made.count(None)
        return [one for one in made if one is not None]

    def _at(self, place: int) -> list[CorrectedObject | None]:
        outlines, boxes, scores = (
            {piece.owner: json.loads(piece.content) for piece in self._spans[name].pieces(place)} for name in _LISTS
        )
        shown = sorted(owner for owner in outlines.keys() | boxes.keys() if outlines.get(owner) or boxes.get(owner))
        return [self._object(self._tracks[owner], outlines.get(owner), boxes.get(owner), scores.get(owner)) for owner in shown]

    def _object(self, track: dict[str, Any], outline: Any, box: Any, score: Any) -> CorrectedObject | None:
        mask = outline_of(outline, self._size)
        if mask is not None:
            within = tight_box(mask)
            within = within and box_around(within, box, self._size)
        else:
            left, top, width, height = map(float, box)
            within = box_within(left, top, left + width, top + height, self._size)
        if within is None:
            return None
        own = 1.0 if track.get("score") is None else track["score"]
        name, track_id = track_of(track.get("track_id", track["id"]))
        return CorrectedObject(
            class_name=self._names[track["category_id"]],
            score=float(own if score is None else score),
            track=name,
            track_id=track_id,
            box_xyxy=within,
            mask=mask,
        )
