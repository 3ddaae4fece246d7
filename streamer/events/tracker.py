"""Which events happen before one camera: tracks in, changes of events out. Pure: no files, no clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from streamer.events.event import Event, EventObject, new_id
from streamer.instances import NO_TRACK, Instances

CONFIRM_DETECTIONS = 2
"""A track counts once the detector has found it so often."""
_ABSENT_S = 1.0
"""A track that is away for longer has to be there for ``min_duration_s`` again."""
_GONE_S = 1.0
"""An object of an event that goes on is there until it was not seen for so long: tracks flicker."""
_MOST_TRACKS = 1000
"""Track ids that an event keeps, the newest: before a busy camera one may go on for a day."""
_BETTER = 1.3
"""A view must be so many times as good as the best one for a new snapshot."""
_AT_EDGE = 0.5
"""What an object that the picture's edge cuts is worth, of a whole one."""
_EDGE_PX = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRules:
    """What makes an event. Raises ``ValueError``."""

    classes: frozenset[str] | None = None
    """Names of the classes that count; None for all."""
    zones: frozenset[str] | None = None
    """Names of the zones of which an object must be in one; None for anywhere."""
    min_duration_s: float = 1.0
    """An object must be there for so long, seconds."""
    merge_after_s: float = 3.0
    """An event ends when none of its objects was there for so long, seconds; what comes before that belongs to it."""

    def __post_init__(self) -> None:
        for name in ("min_duration_s", "merge_after_s"):
            seconds = getattr(self, name)
            if not (math.isfinite(seconds) and seconds >= 0.0):
                raise ValueError(f"{name}: expected seconds, 0 or more, got {seconds}")


@dataclass(frozen=True, slots=True)
class Change:
    """An event has begun, changed or ended."""

    event: Event
    view: int | None = None
    """Row of the instance of which this frame is the best view so far; None where an older one is better."""


@dataclass(slots=True)
class _Candidate:
    """A track that may make an event, or belongs to one."""

    since_s: float
    last_s: float
    inferred_s: float = -math.inf
    detections: int = 0
    class_name: str = ""
    score: float = 0.0
    zones: tuple[str, ...] = ()
    confirmed: bool = False


@dataclass(slots=True)
class _Open:
    """The event that goes on."""

    event: Event
    last_s: float
    best_view: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)


class EventTracker:
    """Turns the instances of one camera's frames, in their order, into events: at most one at a time.

    Objects that are there together, or within ``merge_after_s`` of each other, are one event. Only tracks count that the
    detector has found twice and that were there for ``min_duration_s``; what they did before that counts then.
    """

    def __init__(
        self,
        camera: str,
        rules: EventRules,
        class_name: Callable[[int], str],
        *,
        make_id: Callable[[float], str] = new_id,
    ) -> None:
        self._camera = camera
        self._rules = rules
        self._class_name = class_name
        self._make_id = make_id
        self._candidates: dict[int, _Candidate] = {}
        self._open: _Open | None = None
        self._time_s = -math.inf
        self._utc_s = 0.0

    def update(
        self,
        instances: Instances,
        zones: Sequence[Sequence[str]],
        time_s: float,
        utc_s: float,
        size: tuple[int, int],
    ) -> list[Change]:
        """One more frame at ``time_s`` (stream time) and ``utc_s`` (since 1970), ``size`` wide and high in pixels.

        ``zones`` are for each instance the names of the zones that it is in; none where there are no zones. Time that goes back
        ends what goes on.
        """
        ended = []
        if time_s < self._time_s:
            ended = self._end()
            self._candidates.clear()
        self._time_s, self._utc_s = time_s, utc_s
        changes = [*ended, *self._end_of_absence(time_s)]
        here = self._see(instances, zones, time_s)
        if not here:
            return changes
        before = self._open
        known = set(before.event.track_ids) if before is not None else set()
        joined = [track for track, _ in here if track not in known]
        opened = before or self._begin(here, time_s, utc_s)
        opened.last_s = time_s
        view = self._view(opened, instances, here, size)
        event = self._now(opened, here)
        changed = before is None or bool(joined) or view is not None or event.zones != opened.event.zones
        changed = changed or _places(event) != _places(opened.event)
        opened.event = replace(event, kind="new" if before is None else "update")
        return [*changes, Change(opened.event, view)] if changed else changes

    def pictured(self, event: Event) -> None:
        """The snapshots of the event that goes on have been written: later changes name them, too."""
        if self._open is not None and self._open.event.id == event.id:
            self._open.event = replace(self._open.event, snapshot=event.snapshot, clean_snapshot=event.clean_snapshot)

    @property
    def current(self) -> Event | None:
        """The event that goes on."""
        return None if self._open is None else self._open.event

    def finish(self) -> list[Change]:
        """No more frames will come: what goes on has ended when it was seen last."""
        return self._end()

    def _see(self, instances: Instances, zones: Sequence[Sequence[str]], time_s: float) -> list[tuple[int, int]]:
        """The confirmed tracks that count in this frame, each with its row."""
        rules, here = self._rules, []
        rows = zip(
            instances.track_ids.tolist(),
            instances.class_ids.tolist(),
            instances.scores.tolist(),
            instances.mask_age_s.tolist(),
            strict=True,
        )
        seen = set()
        for row, (track, class_id, score, age_s) in enumerate(rows):
            name = self._class_name(class_id)
            inside = tuple(zones[row]) if row < len(zones) else ()
            if track == NO_TRACK or track in seen or (rules.classes is not None and name not in rules.classes):
                continue
            if rules.zones is not None and rules.zones.isdisjoint(inside):
                continue
            seen.add(track)
            candidate = self._candidates.get(track)
            if candidate is None or time_s - candidate.last_s > max(_ABSENT_S, rules.merge_after_s):
                candidate = self._candidates[track] = _Candidate(time_s, time_s)
            if time_s - age_s > candidate.inferred_s + 1e-3:
                candidate.detections += 1
                candidate.inferred_s = time_s - age_s
            candidate.last_s, candidate.class_name, candidate.zones = time_s, name, inside
            candidate.score = max(candidate.score, score)
            there_s = time_s - candidate.since_s
            candidate.confirmed |= candidate.detections >= CONFIRM_DETECTIONS and there_s >= rules.min_duration_s - 1e-6
            if candidate.confirmed:
                here.append((track, row))
        if len(self._candidates) > 4 * len(seen) + 64:
            self._candidates = {key: each for key, each in self._candidates.items() if time_s - each.last_s <= 60.0}
        return here

    def _begin(self, here: list[tuple[int, int]], time_s: float, utc_s: float) -> _Open:
        start_s = min(self._candidates[track].since_s for track, _ in here)
        start_utc = utc_s - (time_s - start_s)
        event = Event(
            id=self._make_id(start_utc),
            camera=self._camera,
            kind="new",
            start_utc=start_utc,
            start_s=start_s,
            classes=(),
            scores=(),
        )
        self._open = _Open(event, time_s)
        return self._open

    def _now(self, opened: _Open, here: list[tuple[int, int]]) -> Event:
        """The event with what is there in this frame."""
        zones = dict.fromkeys(opened.event.zones)
        tracks = dict.fromkeys([*opened.event.track_ids, *(track for track, _ in here)])
        for seen in (self._candidates[track] for track, _ in here):
            opened.scores[seen.class_name] = max(opened.scores.get(seen.class_name, 0.0), seen.score)
            zones |= dict.fromkeys(seen.zones)
        there = {
            track: each
            for track in tracks
            if (each := self._candidates.get(track)) is not None and each.confirmed and self._time_s - each.last_s <= _GONE_S
        }
        objects = [EventObject(track, each.class_name, each.score, each.zones) for track, each in there.items()]
        if len(tracks) > _MOST_TRACKS:
            newest = list(tracks)[-_MOST_TRACKS:]
            tracks = dict.fromkeys([*(track for track in there if track not in newest), *newest])
        return replace(
            opened.event,
            classes=tuple(opened.scores),
            scores=tuple(opened.scores.values()),
            zones=tuple(zones),
            track_ids=tuple(tracks),
            objects=tuple(objects),
            seen_utc=self._utc_s,
        )

    def _view(self, opened: _Open, instances: Instances, here: list[tuple[int, int]], size: tuple[int, int]) -> int | None:
        """The row of the best view, where it is clearly better than all before."""
        boxes, scores = instances.boxes_xyxy, instances.scores
        worth = {}
        for _, row in here:
            left, top, right, bottom = boxes[row].tolist()
            cut = left <= _EDGE_PX or top <= _EDGE_PX or right >= size[0] - _EDGE_PX or bottom >= size[1] - _EDGE_PX
            area = max(0.0, right - left) * max(0.0, bottom - top) / max(1, size[0] * size[1])
            worth[row] = float(scores[row]) * float(np.sqrt(area)) * (_AT_EDGE if cut else 1.0)
        best = max(worth, key=lambda row: worth[row])
        if opened.event.classes and worth[best] < _BETTER * opened.best_view:
            return None
        opened.best_view = worth[best]
        return best

    def _end_of_absence(self, time_s: float) -> list[Change]:
        opened = self._open
        if opened is None or time_s - opened.last_s <= self._rules.merge_after_s:
            return []
        # One that came in time, and is not there for long enough yet to count, may still go on with it.
        may_join = any(
            each.since_s - opened.last_s <= self._rules.merge_after_s
            and time_s - each.last_s <= _ABSENT_S
            and time_s - each.since_s <= self._rules.min_duration_s + _ABSENT_S
            for each in self._candidates.values()
            if not each.confirmed
        )
        return [] if may_join else self._end()

    def _end(self) -> list[Change]:
        opened, self._open = self._open, None
        if opened is None:
            return []
        # The next event does not begin before this one ended.
        self._candidates = {track: each for track, each in self._candidates.items() if each.last_s > opened.last_s}
        for each in self._candidates.values():
            each.since_s = max(each.since_s, opened.last_s)
        end_utc = opened.event.start_utc + (opened.last_s - opened.event.start_s)
        return [Change(opened.event.ended(end_utc, opened.last_s))]


def _places(event: Event) -> list[tuple[int, tuple[str, ...]]]:
    return [(item.track_id, item.zones) for item in event.objects]
