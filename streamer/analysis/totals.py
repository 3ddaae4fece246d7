"""What an analysis has counted so far."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streamer.analysis.facts import SceneFacts
from streamer.analysis.places import Line, Places, Zone

MINUTE_S = 60.0


@dataclass(slots=True)
class Counted:
    """Of one place and class."""

    into: int = 0
    """Objects that entered the zone, or crossed the line ``in``."""
    out: int = 0
    """Objects that left the zone, or crossed the line ``out``."""
    dwell_s: float = 0.0
    """Seconds that those which left the zone had been inside, summed."""

    def add(self, into: int = 0, out: int = 0, dwell_s: float = 0.0) -> None:
        self.into += into
        self.out += out
        self.dwell_s += dwell_s


class Row(NamedTuple):
    """The counts of a minute, or of all."""

    minute: int | None
    """Minutes of stream time from 0 to its beginning; None for the total."""
    kind: str
    place: str
    class_name: str
    counted: Counted


@dataclass(slots=True)
class _Stays:
    inside: int = 0
    longest_s: float = 0.0
    most_inside: int = 0
    by_class: dict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))


class Totals:
    """Adds up facts. One thread adds, any may ask. ``by_minute``: keep the counts of each minute until they are taken."""

    def __init__(
        self, zones: Iterable[Zone], lines: Iterable[Line], class_name: Callable[[int], str], *, by_minute: bool = False
    ) -> None:
        self._class_name = class_name
        self._lock = threading.Lock()
        self._zones: dict[str, _Stays] = defaultdict(_Stays)
        """Of all zones that there ever were, as are the counts of lines: what happened stays in the table of counts."""
        self._lines: dict[str, dict[str, Counted]] = defaultdict(lambda: defaultdict(Counted))
        self._places = Places()
        self.change(Places(tuple(zones), tuple(lines)))
        self._by_minute = by_minute
        self._minutes: dict[int, dict[tuple[str, str, str], Counted]] = defaultdict(lambda: defaultdict(Counted))

    def change(self, places: Places) -> None:
        """From now on tell of these zones and lines; those that were there under the same name keep their counts."""
        with self._lock:
            self._places = places

    def add(self, facts: SceneFacts) -> None:
        """Count what ``facts`` tell."""
        if not (facts.crossings or facts.entries or facts.exits):
            return
        with self._lock:
            for crossing in facts.crossings:
                into = crossing.direction == "in"
                name = self._class_name(crossing.class_id)
                self._lines[crossing.line][name].add(into, not into)
                self._in_minute(crossing.time_s, "line", crossing.line, name).add(into, not into)
            for entry in facts.entries:
                stays, name = self._zones[entry.zone], self._class_name(entry.class_id)
                stays.inside += 1
                stays.most_inside = max(stays.most_inside, stays.inside)
                stays.by_class[name].add(1)
                self._in_minute(entry.time_s, "zone", entry.zone, name).add(1)
            for left in facts.exits:
                stays, name = self._zones[left.zone], self._class_name(left.class_id)
                stays.inside -= 1
                stays.longest_s = max(stays.longest_s, left.dwell_s)
                stays.by_class[name].add(0, 1, left.dwell_s)
                self._in_minute(left.time_s, "zone", left.zone, name).add(0, 1, left.dwell_s)

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold: ``zones`` and ``lines`` by name."""
        with self._lock:
            return {
                "zones": {zone.name: _zone_dict(self._zones[zone.name]) for zone in self._places.zones},
                "lines": {line.name: _line_dict(self._lines[line.name]) for line in self._places.lines},
            }

    def take_minutes(self, before: int | None = None) -> list[Row]:
        """The counts of the minutes before minute ``before`` (None: of all), each once, in order."""
        with self._lock:
            minutes = sorted(minute for minute in self._minutes if before is None or minute < before)
            return [
                Row(minute, *place, counted)
                for minute in minutes
                for place, counted in sorted(self._minutes.pop(minute).items(), key=lambda item: item[0])
            ]

    def rows(self) -> list[Row]:
        """The counts of the whole."""
        with self._lock:
            lines = [("line", name, by_class) for name, by_class in self._lines.items()]
            zones = [("zone", name, stays.by_class) for name, stays in self._zones.items()]
            return [
                Row(None, kind, name, class_name, counted)
                for kind, name, by_class in [*lines, *zones]
                for class_name, counted in sorted(by_class.items())
            ]

    def _in_minute(self, time_s: float, kind: str, place: str, class_name: str) -> Counted:
        return self._minutes[int(time_s // MINUTE_S)][kind, place, class_name] if self._by_minute else Counted()


def _zone_dict(stays: _Stays) -> dict[str, Any]:
    entries = Counter({name: counted.into for name, counted in stays.by_class.items()})
    exits = sum(counted.out for counted in stays.by_class.values())
    dwell_s = sum(counted.dwell_s for counted in stays.by_class.values())
    return {
        "entries": entries.total(),
        "exits": exits,
        "inside": stays.inside,
        "most_inside": stays.most_inside,
        "dwell_s": round(dwell_s, 3),
        "mean_dwell_s": round(dwell_s / exits, 3) if exits else None,
        "longest_dwell_s": round(stays.longest_s, 3),
        "by_class": dict(entries.most_common()),
    }


def _line_dict(by_class: dict[str, Counted]) -> dict[str, Any]:
    return {
        "in": sum(counted.into for counted in by_class.values()),
        "out": sum(counted.out for counted in by_class.values()),
        "by_class": {name: {"in": counted.into, "out": counted.out} for name, counted in sorted(by_class.items())},
    }
