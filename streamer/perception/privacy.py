"""What must be covered of each frame: known objects, zones, and whatever has changed since the detector looked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from streamer.detectors.from_settings import COVERED_SCORE
from streamer.frame import Frame, Plane
from streamer.instances import NO_TRACK, Instances
from streamer.perception.selection import Selection, class_ids
from streamer.render.cover import GRID_PX, METHODS, Cover, Method, Shape, cell_px, grid_size, object_shape
from streamer.stages import Annotated, CanSkip, Perception

NOT_YET = Cover(whole="privacy: waiting for the detector")
"""Covers frames of a scene in which the detector has not looked yet, or not for too long."""
UNKNOWN = Cover(whole="privacy: nothing is known of this picture")
"""Covers frames of which perception says nothing."""
_DAMAGED = Cover(whole="privacy: damaged picture")

Polygon = tuple[tuple[float, float], ...]
"""Corners, as shares 0..1 of the picture's width and height."""

_CHANGE = 10
"""Difference in luma, of the mean of a square of the grid, that is more than noise."""
_AROUND_CHANGE = 3
"""Squares by which changed places are grown."""
_MOST_CHANGED = 24
"""Changed places that are covered one by one; more of them are covered as one."""
_LEAST_MARGIN_PX = 8.0
_MARGIN = 0.08
"""Margin around an object, as a share of its larger side."""
_MARGIN_A_SECOND = 0.3
"""What the margin grows by in a second since the object was detected, as a share of its larger side."""
_STAYS_SHOWN = 0.6
"""What was sure enough to be shown once is shown down to this share of the threshold, so that it does not blink."""
_FORGET_S = 10.0
"""Seconds after which a track is not remembered."""
_MOST_KEPT_S = 30.0
"""Frames older than that are not compared with: a detector that takes longer has the whole picture covered."""


@dataclass(frozen=True, slots=True)
class PrivacyRules:
    """What is to be covered, and how."""

    methods: Mapping[int, Method]
    """How the objects of a class are covered, by class id."""
    zones: tuple[Polygon, ...] = ()
    """Parts of the picture that are always filled."""
    margin_s: float = 0.5
    """Seconds before an object's first and after its last detection for which its place is covered, too."""

    @property
    def strongest(self) -> Method:
        """For what may be an object of any class."""
        return max(self.methods.values(), key=METHODS.index, default="fill")


class _Seen(NamedTuple):
    """A frame with its objects that are to be covered."""

    item: Annotated
    wanted: Instances
    """Objects that are to be covered."""
    low: Plane
    """Mean luma of each square of the grid."""
    damaged: bool
    """Whether it is damaged, or made from a picture that is."""


class Private:
    """Perception that says of each frame what must be covered (``Annotated.cover``). Fails closed.

    A frame is covered as a whole until the detector has looked at its scene, once that is too long ago, and where the decoder
    had to conceal damage. Else its objects of the classes in question are covered, with a margin that grows with the time since
    they were detected and with their speed, for ``margin_s`` after their last detection, and everything that looks different
    from the frame that the detector saw last: what came in since then cannot be known in another way.

    With ``ahead`` frames are held back for ``margin_s``, and objects are covered before their first detection, too.
    """

    def __init__(self, perception: Perception, rules: PrivacyRules, show: Selection, *, ahead: bool = False) -> None:
        """``perception`` gives all objects that are to be covered or shown, ``show`` says which of them are shown."""
        self._perception = perception
        self._rules = rules
        self._show = show
        self._ahead_s = rules.margin_s if ahead else 0.0
        self._seen: deque[_Seen] = deque()
        """In the order of time: those that may be compared with, and those that are held back."""
        self._held = 0
        """How many at the end of ``_seen`` are held back."""
        self._tracks: dict[int, _Track] = {}
        self._damaged_s: float | None = None
        """Stream time of the last damaged frame, until a key frame ends what it has spoilt."""

    @property
    def inner(self) -> Perception:
        """The perception that is asked."""
        return self._perception

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """The frames that are ready, with what must be covered."""
        return [ready for item in self._perception.push(frame) for ready in self._take(item)]

    def skip(self, frame: Frame) -> Annotated:
        """``frame`` with what is known without looking at it, and what must be covered of it."""
        if not isinstance(self._perception, CanSkip):
            return Annotated(frame, Instances.empty(), cover=UNKNOWN)
        item = self._perception.skip(frame)
        seen = self._note(item)
        return self._covered(seen)

    def finish(self) -> Iterable[Annotated]:
        """The frames that were held back."""
        ready = [ready for item in self._perception.finish() for ready in self._take(item)]
        return [*ready, *self._released(float("inf"))]

    def close(self) -> None:
        """Close the perception."""
        self._perception.close()

    def _take(self, item: Annotated) -> list[Annotated]:
        """A frame comes from the perception: those that may go on now."""
        before = self._seen[-1].item.frame if self._seen else None
        frame, ready = item.frame, []
        if before is not None and (
            frame.time_s <= before.time_s
            or frame.source != before.source
            or (frame.width, frame.height) != (before.width, before.height)
        ):
            ready = self._released(float("inf"))
            self._seen.clear()
            self._tracks.clear()
        self._seen.append(self._note(item))
        self._held += 1
        return [*ready, *self._released(frame.time_s - self._ahead_s)]

    def _released(self, until_s: float) -> list[Annotated]:
        """The frames that are held back up to a time."""
        ready: list[Annotated] = []
        while self._held and (seen := self._seen[-self._held]).item.frame.time_s <= until_s:
            ready.append(self._covered(seen))
            self._held -= 1
        self._forget()
        return ready

    def _note(self, item: Annotated) -> _Seen:
        frame = item.frame
        found = item.instances.usable(frame.width, frame.height)
        wanted = found[np.isin(found.class_ids, list(self._rules.methods))]
        low = cv2.resize(frame.luma(), grid_size(frame.width, frame.height), interpolation=cv2.INTER_AREA)
        self._measure(found, frame.time_s)
        return _Seen(item, wanted, np.asarray(low, np.uint8), self._is_damaged(frame))

    def _is_damaged(self, frame: Frame) -> bool:
        """The decoder marks the damaged picture; those made from it, up to the next key frame, look no better."""
        if frame.damaged:
            self._damaged_s = frame.time_s
        elif self._damaged_s is not None and (frame.picture.key_frame or frame.time_s - self._damaged_s > _MOST_KEPT_S):
            self._damaged_s = None
        return self._damaged_s is not None

    def _measure(self, found: Instances, time_s: float) -> None:
        """Learn how fast the tracks move, and which of them are sure enough to be shown."""
        rows = zip(found.track_ids.tolist(), found.boxes_xyxy.tolist(), found.scores.tolist(), strict=True)
        for track_id, box, score in rows:
            if track_id != NO_TRACK:
                middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
                sure = score >= self._show.score_threshold
                self._tracks[track_id] = _Track.after(self._tracks.get(track_id), middle, time_s, sure)
        if len(self._tracks) > 4 * len(found) + 64:
            self._tracks = {key: track for key, track in self._tracks.items() if time_s - track.time_s < _FORGET_S}

    def _covered(self, seen: _Seen) -> Annotated:
        """The item of ``seen`` with its cover, and only what is to be shown."""
        item = seen.item
        cover = self._cover(seen)
        # Records that are drawn again say what the run covered.
        item.cover = item.cover.and_also(cover) if isinstance(item.cover, Cover) else cover
        found = item.instances
        tracks = [self._tracks.get(track_id) for track_id in found.track_ids.tolist()]
        sure = np.array([track is not None and track.sure for track in tracks], np.bool_)
        sure &= found.scores >= _STAYS_SHOWN * self._show.score_threshold
        least = self._show.score_threshold
        wanted = replace(self._show, score_threshold=0.0)
        shown = wanted(found[sure | (found.scores >= least)])
        # What is shown so that it does not blink is told as following tells of it: never below the threshold.
        item.instances = replace(shown, scores=np.maximum(shown.scores, np.float32(least)))
        return item

    def _cover(self, seen: _Seen) -> Cover:
        frame, looked_s = seen.item.frame, seen.item.looked_s
        zones = tuple(_zone(polygon, frame.width, frame.height) for polygon in self._rules.zones)
        if not self._rules.methods:
            return Cover(zones)
        if seen.damaged:
            return _DAMAGED
        if looked_s is None:
            return NOT_YET
        changed = self._changed(seen.low, looked_s) if looked_s < frame.time_s else []
        return NOT_YET if changed is None else Cover((*zones, *self._objects(seen), *changed))

    def _objects(self, seen: _Seen) -> list[Shape]:
        """The shapes of the objects of a frame, and of those that were or will be detected within the margin of time."""
        now_s = seen.item.frame.time_s
        shapes = self._shapes(seen.item.frame, seen.wanted, range(len(seen.wanted)), 0.0)
        known = set(seen.wanted.track_ids.tolist()) - {NO_TRACK}
        near = [
            other for other in self._seen if other is not seen and abs(other.item.frame.time_s - now_s) <= self._rules.margin_s
        ]
        for other in sorted(near, key=lambda other: abs(other.item.frame.time_s - now_s)):
            tracks = other.wanted.track_ids.tolist()
            rows = [row for row, track in enumerate(tracks) if track not in known]
            shapes += self._shapes(seen.item.frame, other.wanted, rows, abs(other.item.frame.time_s - now_s))
            known |= {tracks[row] for row in rows} - {NO_TRACK}
        return shapes

    def _shapes(self, frame: Frame, found: Instances, rows: Iterable[int], away_s: float) -> list[Shape]:
        """The shapes of some objects of a frame that is ``away_s`` seconds away from ``frame``."""
        shapes: list[Shape] = []
        boxes, ages = found.boxes_xyxy.tolist(), found.mask_age_s.tolist()
        for row in rows:
            box = boxes[row]
            side, since_s = max(box[2] - box[0], box[3] - box[1]), ages[row] + away_s
            track = self._tracks.get(int(found.track_ids[row]))
            px_a_second = _MARGIN_A_SECOND * side + (track.px_a_second if track is not None else 0.0)
            margin = max(_LEAST_MARGIN_PX, _MARGIN * side) + min(since_s * px_a_second, side)
            mask = found.masks[row] if found.masks is not None and found.has_mask[row] else None
            method = self._rules.methods[int(found.class_ids[row])]
            shape = object_shape(box, mask, margin, method, frame.width, frame.height)
            if shape is not None:
                shapes.append(shape)
        return shapes

    def _changed(self, low: Plane, looked_s: float) -> list[Shape] | None:
        """Where the picture differs from the frame at ``looked_s``; None where that is not there any more."""
        then = next((seen.low for seen in self._seen if seen.item.frame.time_s == looked_s), None)
        if then is None or then.shape != low.shape:
            return None
        _, changed = cv2.threshold(cv2.absdiff(low, then), _CHANGE, 255, cv2.THRESH_BINARY)
        if not changed.any():
            return []
        size = 2 * _AROUND_CHANGE + 1
        changed = cv2.dilate(changed, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
        count, parts, stats, _ = cv2.connectedComponentsWithStats(changed, connectivity=8)
        method = self._rules.strongest
        if count - 1 > _MOST_CHANGED:
            return [_shape_of(np.asarray(changed, np.uint8), cv2.boundingRect(changed), method)]
        return [
            _shape_of(
                np.asarray(np.where(parts == part, np.uint8(255), np.uint8(0)), np.uint8), stats[part, :4].tolist(), method
            )
            for part in range(1, count)
        ]

    def _forget(self) -> None:
        """Let go of frames that nothing needs any more."""
        if not self._seen:
            return
        newest = self._seen[-1].item
        oldest_held_s = self._seen[-self._held].item.frame.time_s if self._held else newest.frame.time_s
        needed_s = oldest_held_s - self._rules.margin_s
        waiting = [self._seen[-place].item for place in range(1, self._held + 1)] or [newest]
        needed_s = min([needed_s, *(item.looked_s for item in waiting if item.looked_s is not None)])
        needed_s = max(needed_s, oldest_held_s - _MOST_KEPT_S)
        while len(self._seen) > self._held and self._seen[0].item.frame.time_s < needed_s:
            self._seen.popleft()


class _Track(NamedTuple):
    """What is known of an object over time."""

    middle: tuple[float, float]
    time_s: float
    px_a_second: float
    """How fast it moves: the most of late."""
    sure: bool
    """Whether it ever was sure enough to be shown."""

    @classmethod
    def after(cls, before: _Track | None, middle: tuple[float, float], time_s: float, sure: bool) -> _Track:
        if before is None or time_s <= before.time_s:
            return cls(middle, time_s, 0.0, sure)
        passed = time_s - before.time_s
        now = float(np.hypot(middle[0] - before.middle[0], middle[1] - before.middle[1])) / passed
        return cls(middle, time_s, max(now, before.px_a_second * 0.5**passed), sure or before.sure)


def _shape_of(mask: Plane, bounds: Sequence[int], method: Method) -> Shape:
    x, y, width, height = (int(value) for value in bounds)
    return Shape(x, y, mask[y : y + height, x : x + width], method, cell_px(max(width, height) * GRID_PX))


@lru_cache(maxsize=256)
def _zone(polygon: Polygon, width: int, height: int) -> Shape:
    columns, rows = grid_size(width, height)
    mask = np.zeros((rows, columns), np.uint8)
    corners = np.array([[x * width / GRID_PX - 0.5, y * height / GRID_PX - 0.5] for x, y in polygon])
    cv2.fillPoly(mask, [np.rint(corners * 16).astype(np.int32)], (255,), shift=4)
    mask = np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8)), np.uint8)  # squares that are touched, too
    return Shape(0, 0, mask, "fill", cell_px(height))


class PrivacySettings(Protocol):
    """The settings that say what is to be covered."""

    @property
    def privacy(self) -> Mapping[str, Method]: ...
    @property
    def privacy_zones(self) -> Sequence[Polygon]: ...
    @property
    def privacy_margin(self) -> float: ...


class KnowsClasses(Protocol):
    """A detector, or what stands in its place."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Mapping[int, str]: ...


def privacy_rules(settings: PrivacySettings, detector: KnowsClasses) -> PrivacyRules | None:
    """What the settings want to be covered; None where they want nothing.

    Raises ``ConfigError`` for a class that the detector does not know.
    """
    if not settings.privacy and not settings.privacy_zones:
        return None
    methods: dict[int, Method] = {}
    for name, method in settings.privacy.items():
        known = class_ids((name,), detector.labels, detector.name)
        methods |= dict.fromkeys(detector.labels if known is None else known, method)
    return PrivacyRules(methods, tuple(settings.privacy_zones), settings.privacy_margin)


def privacy_in_words(settings: PrivacySettings) -> dict[str, object]:
    """What the settings want to be covered, for JSON; empty where they want nothing."""
    if not settings.privacy and not settings.privacy_zones:
        return {}
    return {
        "classes": dict(settings.privacy),
        "zones": [[list(corner) for corner in zone] for zone in settings.privacy_zones],
        "margin_s": settings.privacy_margin,
    }


def widened(select: Selection, rules: PrivacyRules) -> Selection:
    """What perception has to find so that nothing which must be covered is left out for want of being shown."""
    classes = None if select.class_ids is None else select.class_ids | frozenset(rules.methods)
    score = min(select.score_threshold, COVERED_SCORE) if rules.methods else select.score_threshold
    return replace(select, class_ids=classes, max_instances=None, score_threshold=score, wanted_score=select.score_threshold)
