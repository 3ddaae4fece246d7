"""Analysis of a scene, frame by frame: tracks in, facts out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from streamer.analysis.doubles import is_double
from streamer.analysis.facts import Crossing, Entry, SceneFacts
from streamer.analysis.geometry import Geometry
from streamer.analysis.observation import Observations, observe
from streamer.analysis.places import InvalidPlace, Line, Places, Zone
from streamer.analysis.subject import Fact, Sighting, Subject, Watched
from streamer.instances import NO_TRACK, Bools, Instances

CONFIRM_S = 0.2
"""A track is confirmed when it has been there for so long ..."""
CONFIRM_DETECTIONS = 2
"""... and was detected so often. What it did before counts then; a track that is never confirmed counts nothing."""
STITCH_S = 2.0
"""A new track takes the place of an object of its class that was last seen at most so long ago ..."""
STITCH_REACH = 0.5
STITCH_SPEED = 0.5
"""... is no further from where that was, or was going, than this: in sizes of its box, and in sizes a second since then ..."""
STITCH_GROWTH = 2.0
"""... and its box is at most so many times as large or as small."""
CUT_REACH = 0.15
"""After a cut (the light went on, say) it must be in the same place, by this share of its size, and not change it by more."""
BLIND_S = (1.0, 10.0)
"""A pause of the frames themselves of so many seconds, as while a camera is connected to again, is no absence: objects that
were there before it and are there after it stay where they are."""
REMEMBER_S = 30.0
"""A track id that comes back within this time is the same object."""
JUMP = 1.0
"""Two tracks that move by more than this, in box sizes, from one frame to the next, to each other's place, were exchanged."""
_MOST_SIGHTINGS = 1000
_EPSILON_S = 1e-3


class _Newcomer:
    """A track that is not confirmed yet."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []
        self.detections = 0
        self._inferred_s = -math.inf
        self._double = False

    def see(self, sighting: Sighting, *, double: bool) -> None:
        """It was seen. ``double``: in the place of objects that are there anyway, so that it may be one of them."""
        self._double = double
        if not double and sighting.inferred_s > self._inferred_s + _EPSILON_S:
            self.detections += 1
            self._inferred_s = sighting.inferred_s
        self.sightings.append(sighting)
        del self.sightings[:-_MOST_SIGHTINGS]

    @property
    def confirmed(self) -> bool:
        there_s = self.sightings[-1].time_s - self.sightings[0].time_s
        return not self._double and self.detections >= CONFIRM_DETECTIONS and there_s >= CONFIRM_S - _EPSILON_S

    def at(self, time_s: float) -> Sighting:
        """Where it was nearest to ``time_s``."""
        return min(self.sightings, key=lambda sighting: abs(sighting.time_s - time_s))


class SceneAnalysis:
    """Who is in which zone and who crosses which line, for the frames of one stream in their order. For one thread.

    Time is the frames' own: a frame more or less changes nothing but how exactly it is known when something happened. Only
    instances with a track id count. ``class_name`` gives the name of a class id, by which zones and lines choose. Raises
    ``InvalidPlace`` where two zones or lines have one name.
    """

    def __init__(
        self, zones: Sequence[Zone] = (), lines: Sequence[Line] = (), class_name: Callable[[int], str] = lambda _: ""
    ) -> None:
        self._places = _named_apart(Places(tuple(zones), tuple(lines)))
        self._class_name = class_name
        self._by_class: dict[int, tuple[int, int]] = {}
        self._watched: Watched | None = None
        self._subjects: dict[int, Subject] = {}
        """By the track id that each goes by now."""
        self._newcomers: dict[int, _Newcomer] = {}
        self._time_s = -math.inf
        self._next_look_s = -math.inf
        self._inside = dict.fromkeys([zone.name for zone in self.zones], 0)
        self._crossed = {line.name: [0, 0] for line in self.lines}

    @property
    def zones(self) -> tuple[Zone, ...]:
        """The zones, in the order of ``SceneFacts.inside``."""
        return self._places.zones

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines, in the order of ``SceneFacts.crossed``."""
        return self._places.lines

    def change(self, places: Places) -> SceneFacts:
        """Watch other zones and lines from the next frame on.

        Who is in a zone whose name stays is still in it, though its corners may have moved: the next frame decides. Who is in
        one that is gone has left it when it was seen last, which is what is returned. Raises ``InvalidPlace``, and goes on as
        before, where two have one name or one is outside the picture.
        """
        places = _named_apart(places)
        watched = self._watched
        if watched is not None:
            size, first = watched.geometry.size, watched.geometry.first_size
            self._watched = Watched(*places, Geometry(*places, size, first))
        facts: list[Fact] = []
        if self._watched is not None:
            for subject in self._subjects.values():
                facts += subject.watched_anew(self._watched)
        told = self._told(facts, ())
        self._places = places
        self._by_class.clear()
        self._newcomers.clear()
        self._inside = {zone.name: self._inside.get(zone.name, 0) for zone in places.zones}
        self._crossed = {line.name: self._crossed.get(line.name, [0, 0]) for line in places.lines}
        return told

    def update(self, instances: Instances, time_s: float, frame_size: tuple[int, int], *, cut: bool = False) -> SceneFacts:
        """One more frame, at ``time_s`` (seconds of stream time), displayed at ``frame_size`` (width, height).

        ``cut``: it does not continue the picture before.
        """
        width, height = frame_size
        by_share = any(zone.count == "coverage" for zone in self.zones)
        objects = observe(instances.usable(width, height), width, height, shapes_too=by_share)
        return self.see(objects, time_s, cut=cut)

    def see(self, objects: Observations, time_s: float, *, cut: bool = False) -> SceneFacts:
        """The same, from what records hold."""
        time_s = round(time_s, 6)
        facts: list[Fact] = []
        if time_s < self._time_s:
            facts += self._end_all()
        watched = self._watched_in(objects.size)
        if BLIND_S[0] < time_s - self._time_s <= BLIND_S[1]:
            for subject in self._subjects.values():
                subject.wait_until(self._time_s, time_s)
        if cut:
            self._newcomers.clear()
            for subject in self._subjects.values():
                subject.before_cut = True
        self._time_s = time_s
        here = self._sightings(objects, time_s, watched.geometry)
        self._mend_exchanges(here)
        known, new = [], []
        for sighting in here.values():
            continued = self._subjects.get(sighting.track_id)
            if continued is not None:
                facts += continued.see(sighting)
                known.append(sighting)
            else:
                new.append(sighting)
        for sighting in new:
            newcomer = self._newcomers.setdefault(sighting.track_id, _Newcomer())
            newcomer.see(sighting, double=is_double(sighting, known))
        if self._newcomers:
            facts += self._settle_newcomers(time_s, watched)
        facts += self._look_for_absent(time_s)
        ids = objects.track_ids.tolist()
        zones = tuple(() if (known_as := self._subjects.get(track)) is None else known_as.zones for track in ids)
        return self._told(facts, zones)

    def finish(self) -> SceneFacts:
        """No more frames will come: objects that are still inside leave when they were seen last. May be called twice."""
        return self._told(list(self._end_all()), ())

    def _watched_in(self, size: tuple[int, int]) -> Watched:
        watched = self._watched
        if watched is None or watched.geometry.size != size:
            # Pixels are those of the first picture: a camera that changes its resolution still looks the same way.
            first = size if watched is None else watched.geometry.first_size
            self._watched = watched = Watched(self.zones, self.lines, Geometry(self.zones, self.lines, size, first))
            self._newcomers.clear()
            for subject in self._subjects.values():
                subject.placed_in(watched)
        return watched

    def _sightings(self, objects: Observations, time_s: float, geometry: Geometry) -> dict[int, Sighting]:
        if not len(objects):
            return {}
        seen = geometry.see(objects)
        boxes = objects.boxes_xyxy
        here: dict[int, Sighting] = {}
        for track, class_id, age, foot, box, size, inside, shares, distances in zip(
            objects.track_ids.tolist(),
            objects.class_ids.tolist(),
            objects.mask_age_s.tolist(),
            objects.feet_xy.tolist(),
            boxes.tolist(),
            (boxes[:, 2:] - boxes[:, :2]).max(axis=1).tolist(),
            _bits(seen.inside),
            seen.shares.tolist() if geometry.counts_shares else [[0.0] * len(self.zones)] * len(boxes),
            seen.distances.tolist(),
            strict=True,
        ):
            if track == NO_TRACK or track in here:
                continue
            in_zones, on_lines = self._chosen(class_id)
            here[track] = Sighting(
                time_s,
                time_s - age,
                track,
                class_id,
                foot,
                box,
                size,
                inside & in_zones,
                on_lines,
                shares,
                distances,
            )
        return here

    def _chosen(self, class_id: int) -> tuple[int, int]:
        """Which zones and which lines count a class, as bits."""
        known = self._by_class.get(class_id)
        if known is None:
            name = self._class_name(class_id)
            known = self._by_class[class_id] = (_wanting(self.zones, name), _wanting(self.lines, name))
        return known

    def _mend_exchanges(self, here: dict[int, Sighting]) -> None:
        """Tracks may change places when their objects pass each other: each object keeps what it did."""
        jumped = [
            (track, subject, sighting)
            for track, sighting in here.items()
            if (subject := self._subjects.get(track)) is not None
            and (last := subject.last) is not None
            and math.dist(last.foot, sighting.foot) > JUMP * sighting.size
        ]
        for place, (track, subject, sighting) in enumerate(jumped):
            for other, other_subject, other_sighting in jumped[place + 1 :]:
                if self._subjects[track] is not subject or self._subjects[other] is not other_subject:
                    continue
                assert subject.last is not None
                assert other_subject.last is not None
                near = 0.5 * JUMP * min(sighting.size, other_sighting.size)
                if (
                    subject.last.class_id == other_subject.last.class_id
                    and math.dist(subject.last.foot, other_sighting.foot) < near
                    and math.dist(other_subject.last.foot, sighting.foot) < near
                ):
                    self._subjects[track], self._subjects[other] = other_subject, subject

    def _settle_newcomers(self, time_s: float, watched: Watched) -> Iterator[Fact]:
        """Newcomers that are confirmed take the place of objects that were lost nearby, or are new; others are forgotten."""
        for track, newcomer in list(self._newcomers.items()):
            last_s = newcomer.sightings[-1].time_s
            if last_s < time_s:
                if time_s - last_s > STITCH_S:
                    del self._newcomers[track]
                continue
            if not newcomer.confirmed:
                continue
            before = self._lost_near(newcomer, time_s)
            if before is not None:
                subject = self._subjects.pop(before)
                assert subject.last is not None
                since_s = subject.last.time_s
                sightings = [sighting for sighting in newcomer.sightings if sighting.time_s > since_s]
            else:
                subject, sightings = Subject(watched), newcomer.sightings
            del self._newcomers[track]
            self._subjects[track] = subject
            for sighting in sightings:
                yield from subject.see(sighting)

    def _lost_near(self, newcomer: _Newcomer, time_s: float) -> int | None:
        """The track id of the lost object that the newcomer continues; None where there is none."""
        first = newcomer.sightings[0]
        best: tuple[float, int] | None = None
        for track, subject in self._subjects.items():
            last = subject.last
            if last is None or last.time_s >= time_s or last.class_id != first.class_id:
                continue
            if first.time_s - subject.unseen_since_s > STITCH_S:
                continue
            last = subject.detected or last
            there = newcomer.at(last.time_s)
            absent_s = min(max(0.0, there.time_s - last.time_s), STITCH_S)
            larger, smaller = max(last.size, there.size), min(last.size, there.size)
            away = math.dist(last.foot, there.foot)
            if subject.before_cut:
                reach, growth = CUT_REACH * larger, 1.0 + CUT_REACH
            else:
                reach, growth = (STITCH_REACH + STITCH_SPEED * absent_s) * larger, STITCH_GROWTH
                away = min(away, math.dist(subject.place_at(there.time_s), there.foot))
            if larger > growth * smaller:
                continue
            if away <= reach and (best is None or away < best[0]):
                best = away, track
        return None if best is None else best[1]

    def _look_for_absent(self, time_s: float) -> Iterator[Fact]:
        patience_s = max([STITCH_S, *(zone.leave_after_s for zone in self.zones)])
        for track, subject in list(self._subjects.items()):
            last_s = -math.inf if subject.last is None else subject.last.time_s
            if last_s == time_s:
                continue
            if time_s - last_s > REMEMBER_S:
                yield from subject.end()
                del self._subjects[track]
            elif time_s - max(last_s, subject.unseen_since_s) > patience_s and not subject.absent:
                yield from subject.leave()

    def _end_all(self) -> Iterator[Fact]:
        for subject in self._subjects.values():
            yield from subject.end()
        self._subjects.clear()
        self._newcomers.clear()

    def _told(self, facts: Iterable[Fact], zones: tuple[tuple[str, ...], ...]) -> SceneFacts:
        crossings, entries, exits = [], [], []
        for fact in facts:
            if isinstance(fact, Crossing):
                crossings.append(fact)
                self._crossed[fact.line][fact.direction == "out"] += 1
            elif isinstance(fact, Entry):
                entries.append(fact)
                self._inside[fact.zone] += 1
            else:
                exits.append(fact)
                self._inside[fact.zone] -= 1
        return SceneFacts(
            zones=zones,
            crossings=tuple(crossings),
            entries=tuple(entries),
            exits=tuple(exits),
            inside=tuple(self._inside.values()),
            crossed=tuple((into, out) for into, out in self._crossed.values()),
            places=self._places,
        )


def _named_apart(places: Places) -> Places:
    """``places``. Raises ``InvalidPlace`` where two have one name."""
    names = [name for name, _ in places.points()]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidPlace(f"the name {twice!r} is there twice", "give each zone and line a name of its own")
    return places


def _bits(rows: Bools) -> list[int]:
    """Each row of a bool (N, bits) as a number, of which bit *i* is its column *i*."""
    packed = np.packbits(rows, axis=1, bitorder="little")
    data, size = packed.tobytes(), packed.shape[1]
    return [int.from_bytes(data[row * size : (row + 1) * size], "little") for row in range(len(packed))]


def _wanting(places: Sequence[Zone | Line], name: str) -> int:
    return sum(1 << index for index, place in enumerate(places) if place.classes is None or name in place.classes)
