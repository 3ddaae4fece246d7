"""One object of the scene: in which zones it is, and which lines it crosses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from streamer.analysis.facts import Crossing, Entry, Exit
from streamer.analysis.geometry import Geometry
from streamer.analysis.passage import LEAST_MARGIN_PX, MARGIN, Crossed, Passage
from streamer.analysis.places import Line, Zone
from streamer.analysis.stay import NOTHING, Changes, Stay

_BISECTIONS = 12

Fact = Crossing | Entry | Exit


class Sighting(NamedTuple):
    """What was seen of one track in one frame."""

    time_s: float
    inferred_s: float
    """Time of the frame that it was inferred from."""
    track_id: int
    class_id: int
    foot: Sequence[float]
    """x, y, pixels."""
    box: Sequence[float]
    """Left, top, right, bottom, pixels."""
    size: float
    """The longer side of its box, pixels."""
    inside: int
    """Bit *i*: in zone *i*, which counts its class."""
    watched: int
    """Bit *i*: line *i* counts its class."""
    shares: Sequence[float]
    distances: Sequence[float]

    @property
    def centre(self) -> tuple[float, float]:
        """x, y of the middle of its box, pixels."""
        return (self.box[0] + self.box[2]) * 0.5, (self.box[1] + self.box[3]) * 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """What subjects are judged by."""

    zones: tuple[Zone, ...]
    lines: tuple[Line, ...]
    geometry: Geometry


class Subject:
    """An object, by whatever track ids it goes."""

    def __init__(self, watched: Watched) -> None:
        self.last: Sighting | None = None
        """Where it was seen last."""
        self.detected: Sighting | None = None
        """Where it was detected last, in a frame that the detector looked at: what is carried on from there may stand still."""
        self.unseen_since_s = -math.inf
        """When it was seen last, or when frames came again after a pause before which it was seen."""
        self.velocity = (0.0, 0.0)
        """Pixels a second, smoothed."""
        self.zones: tuple[str, ...] = ()
        """Zones that it counts as in."""
        self.absent = False
        """Whether it has not been seen for so long that it has left all zones."""
        self.before_cut = False
        """Whether it was seen in another scene only."""
        self._watched = watched
        self._stays: dict[int, Stay] = {}
        self._unsettled = 0
        """Bit *i*: whether it counts as in zone *i* waits for what comes."""
        self._passages = [Passage() for _ in watched.lines]

    def place_at(self, time_s: float) -> tuple[float, float]:
        """Where its foot may be at ``time_s``."""
        assert self.last is not None
        by_s = min(max(0.0, time_s - self.last.time_s), 1.0)
        return self.last.foot[0] + by_s * self.velocity[0], self.last.foot[1] + by_s * self.velocity[1]

    def placed_in(self, watched: Watched) -> None:
        """From now on the picture has another size."""
        self._watched = watched
        self.last = self.detected = None
        self._passages = [Passage() for _ in watched.lines]

    def watched_anew(self, watched: Watched) -> list[Fact]:
        """From now on it is judged by other zones and lines. Returns that it has left those zones that are gone."""
        before, self._watched = self._watched, watched
        came_from = {zone.name: index for index, zone in enumerate(before.zones)}
        zones = [came_from.get(zone.name) for zone in watched.zones]
        lines = [before.lines.index(line) if line in before.lines else None for line in watched.lines]
        facts: list[Fact] = []
        if self.last is not None:
            for index in sorted(self._stays.keys() - set(zones)):
                facts += self._facts_of(self._stays[index].end(self.last.time_s), before.zones[index].name, self.last)
        self._stays = {new: self._stays[old] for new, old in enumerate(zones) if old in self._stays}
        self._passages = [Passage() if old is None else self._passages[old] for old in lines]
        self._unsettled = sum(1 << index for index, stay in self._stays.items() if not stay.settled)
        self.zones = self._entered()
        self.last, self.detected = (
            None if sighting is None else _moved(sighting, zones, lines) for sighting in (self.last, self.detected)
        )
        return facts

    def see(self, now: Sighting) -> list[Fact]:
        """It was seen again. Returns what became certain."""
        facts: list[Fact] = []
        before = self.last
        if now.inside or self._stays:
            there = None if self.absent else before  # what had left its zones may come back in the same place
            if there is None or now.inside != there.inside or self._unsettled:
                self._see_zones(now, there, facts)
        for index, passage in enumerate(self._passages):
            distance = now.distances[index]
            if passage.settled and (distance >= 0.0) == (passage.sign > 0):
                continue
            self._see_line(index, passage, now, before, facts)
        if before is not None and now.time_s > before.time_s:
            dt = now.time_s - before.time_s
            weight = min(1.0, dt / 0.3)
            (x, y), (x0, y0), (vx, vy) = now.foot, before.foot, self.velocity
            self.velocity = vx + weight * ((x - x0) / dt - vx), vy + weight * ((y - y0) / dt - vy)
        self.last, self.unseen_since_s = now, now.time_s
        if now.inferred_s == now.time_s:
            self.detected = now
        self.absent = self.before_cut = False
        return facts

    def wait_until(self, before_s: float, after_s: float) -> None:
        """Frames come again at ``after_s``, after a pause since ``before_s``: what was seen then has not been absent."""
        if self.last is not None and self.last.time_s == before_s:
            self.unseen_since_s = after_s

    def leave(self) -> Iterator[Fact]:
        """It has not been seen for a while: it has left the zones. Lines wait, it may come back."""
        self.absent = True
        last = self.last
        if last is None:
            return
        for index, stay in self._stays.items():
            yield from self._facts_of(stay.end(last.time_s), self._watched.zones[index].name, last)
        self._stays.clear()
        self._unsettled = 0
        self.zones = ()

    def end(self) -> Iterator[Fact]:
        """It will not be seen again."""
        if not self.absent:
            yield from self.leave()
        if self.last is not None:
            for index, passage in enumerate(self._passages):
                crossed = passage.end()
                if crossed is not None and self.last.watched >> index & 1:
                    yield self._crossing(index, crossed, self.last)

    def _see_zones(self, now: Sighting, before: Sighting | None, facts: list[Fact]) -> None:
        # In which zones it is and certainly was before, nothing happens: only what changes, or waits, is looked at.
        if before is None:
            rest = now.inside | sum(1 << index for index in self._stays)
        else:
            rest = self._unsettled | (now.inside ^ before.inside)
        changed = False
        while rest:
            bit = rest & -rest
            rest ^= bit
            index = bit.bit_length() - 1
            zone, stay = self._watched.zones[index], self._stays.get(index)
            inside = bool(now.inside & bit)
            was_inside = before is not None and bool(before.inside & bit)
            since_s = now.time_s if before is None or inside == was_inside else self._boundary_s(index, before, now)
            if stay is None:
                stay = self._stays[index] = Stay(since_s, zone.enter_after_s, zone.leave_after_s)
            changes = stay.within(now.time_s, since_s) if inside else stay.without(now.time_s, since_s)
            self._unsettled &= ~bit
            if changes is not NOTHING:
                told = len(facts)
                facts += self._facts_of(changes, zone.name, now)
                changed |= len(facts) > told
            if changes.over:
                del self._stays[index]
            elif not stay.settled:
                self._unsettled |= bit
        if changed:
            self.zones = self._entered()

    def _entered(self) -> tuple[str, ...]:
        return tuple(self._watched.zones[index].name for index in sorted(self._stays) if self._stays[index].entered)

    def _boundary_s(self, index: int, before: Sighting, now: Sighting) -> float:
        """When it passed the zone's edge between two sightings."""
        zone = self._watched.zones[index]
        if zone.count == "coverage":
            change = now.shares[index] - before.shares[index]
            share = (zone.coverage - before.shares[index]) / change if change else 1.0
        elif zone.classes is not None and before.class_id != now.class_id:
            share = 1.0
        else:
            start, end = (before.centre, now.centre) if zone.count == "centre" else (before.foot, now.foot)
            share = self._watched.geometry.change(index, start, end, _BISECTIONS)
        return before.time_s + min(max(share, 0.0), 1.0) * (now.time_s - before.time_s)

    def _see_line(self, index: int, passage: Passage, now: Sighting, before: Sighting | None, facts: list[Fact]) -> None:
        distance = now.distances[index]
        met_s = None
        if before is not None and passage.sign and (distance >= 0.0) != (passage.sign > 0):
            was = before.distances[index]
            share = was / (was - distance) if was != distance else 0.0
            line = self._watched.lines[index]
            start, end = (before.centre, now.centre) if line.count == "centre" else (before.foot, now.foot)
            x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
            if self._watched.geometry.meets(index, x, y):
                met_s = before.time_s + share * (now.time_s - before.time_s)
        margin = max(LEAST_MARGIN_PX, MARGIN * now.size)
        crossed = passage.step(now.time_s, distance, margin, met_s)
        if crossed is not None and now.watched >> index & 1:
            facts.append(self._crossing(index, crossed, now))

    def _crossing(self, index: int, crossed: Crossed, by: Sighting) -> Crossing:
        return Crossing(
            line=self._watched.lines[index].name,
            direction="in" if crossed.side > 0 else "out",
            track_id=by.track_id,
            class_id=by.class_id,
            time_s=round(crossed.time_s, 6),
        )

    @staticmethod
    def _facts_of(changes: Changes, zone: str, by: Sighting) -> Iterator[Entry | Exit]:
        said = {"zone": zone, "track_id": by.track_id, "class_id": by.class_id}
        if changes.entered_s is not None:
            yield Entry(**said, time_s=round(changes.entered_s, 6))  # type: ignore[arg-type]  # a zone's name and two ids
        if changes.left_s is not None:
            yield Exit(**said, time_s=round(changes.left_s, 6), dwell_s=round(changes.dwell_s, 6))  # type: ignore[arg-type]  # as above
        if changes.again_s is not None:
            yield Entry(**said, time_s=round(changes.again_s, 6))  # type: ignore[arg-type]  # as above


def _moved(sighting: Sighting, zones: Sequence[int | None], lines: Sequence[int | None]) -> Sighting:
    """A sighting as it would be with other zones and lines: for each what it was before, None for one that is new."""
    return sighting._replace(
        inside=sum(1 << new for new, old in enumerate(zones) if old is not None and sighting.inside >> old & 1),
        watched=sum(1 << new for new, old in enumerate(lines) if old is not None and sighting.watched >> old & 1),
        shares=tuple(0.0 if old is None else sighting.shares[old] for old in zones),
        distances=tuple(0.0 if old is None else sighting.distances[old] for old in lines),
    )
