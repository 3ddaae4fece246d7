"""Zones and lines written into a YAML file that people keep: all that is not theirs stays as it is, byte for byte.

The file is not written anew from its data: its own text is changed, at the marks that the parser gives. So comments, order,
quotes and indentation stay.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from itertools import chain
from typing import Any

import yaml

from streamer.analysis.places import Line, Places, Point, Zone
from streamer.config.document import Document, Location
from streamer.config.environment import expand
from streamer.config.yaml_file import parse_yaml
from streamer.config.zones import parse_places
from streamer.errors import ConfigError

_KEYS = {"enter_after_s": "enter_after", "leave_after_s": "leave_after"}
"""What settings call a field of a place, where that is not its name."""
_ALL = ["all"]
_STEP = 2
_SECTIONS = ("zones", "lines")

Place = Zone | Line
Edit = tuple[int, int, str]
"""What stands between two places of the text is replaced by another text."""


def places_text(places: Places) -> str:
    """Zones and lines as YAML, to be copied into a file."""
    return "".join(_section(section, getattr(places, section), "", _STEP, "\n") for section in _SECTIONS)


def with_places(text: str, location: Location, places: Places, name: str) -> str:
    """The YAML ``text`` in which ``places`` are the zones and lines of the mapping at ``location``, in the order of the file.

    ``name`` is that of the file, for messages. Raises ``ConfigError`` where the text cannot be changed without touching other
    settings, as where zones are shared by an alias.
    """
    before = parse_yaml(text, name).data
    holder = _holder(text, location, name)
    newline = "\r\n" if "\r\n" in text else "\n"
    if holder is None:
        changed = text + ("" if not text or text.endswith("\n") else newline) + places_text(places).replace("\n", newline)
    else:
        edits = _Edits(text, newline, holder, location, _part(before, ("defaults",)) if location else {})
        changed = edits.applied(places)
    try:
        after = parse_yaml(changed, name).data
        as_wanted = _places_in(after, location).by_name() == places.by_name()
    except ConfigError:  # of a text that nobody will see: the file itself is in order
        after, as_wanted = {}, False
    if not as_wanted or _without_places(after, location) != _without_places(before, location):
        raise ConfigError(
            f"{name}: its zones and lines cannot be changed without changing other settings, with which they are shared",
            hint="copy the YAML into the file by hand",
        )
    return changed


def places_in(text: str, location: Location, name: str) -> Places:
    """The zones and lines at ``location`` of a YAML text. Raises ``ConfigError``."""
    return _places_in(parse_yaml(text, name).data, location)


class _Edits:
    """The edits that a text needs, at the marks of one of its mappings."""

    def __init__(
        self, text: str, newline: str, holder: yaml.MappingNode, location: Location, inherited: Mapping[str, Any]
    ) -> None:
        self._text, self._newline, self._holder, self._inherited = text, newline, holder, inherited
        self._indent = holder.value[0][0].start_mark.column if holder.value and not holder.flow_style else 0
        self._step = self._indent // len(location) if location else _STEP

    def applied(self, places: Places) -> str:
        """The text with all edits for ``places``."""
        # What is added to a section that is there comes before a section that is new, where both are put at one place.
        sections = sorted(_SECTIONS, key=lambda section: _entry(self._holder, section) is None)
        edits = chain.from_iterable(self._of_section(section, getattr(places, section)) for section in sections)
        in_order = sorted((start, stop, number, new) for number, (start, stop, new) in enumerate(edits))
        text = self._text
        for start, stop, _, new in reversed(in_order):  # from the end, so that the marks before stay true
            text = text[:start] + new + text[stop:]
        return text

    def _of_section(self, section: str, wanted: tuple[Place, ...]) -> Iterator[Edit]:
        inherited = _read({section: self._inherited.get(section) or {}}, section)
        found = _entry(self._holder, section)
        if found is None:
            if _by_name(wanted) != _by_name(inherited):
                yield self._new_section(section, wanted)
            return
        key, value = found
        if _start(value) < key.end_mark.index:
            raise ConfigError(f"{section} are an alias of others", hint="copy the YAML into the file by hand")
        known = _by_name(_read({section: _constructed(value)}, section))
        if _by_name(wanted) == known:
            return
        if self._holder.flow_style or (isinstance(value, yaml.MappingNode) and value.flow_style and value.value):
            yield _start(value), self._end(value), _flow({place.name: _fields(place) for place in wanted})
        elif isinstance(value, yaml.MappingNode) and not value.flow_style and wanted:
            yield from self._of_places(key, value, known, wanted)
        elif wanted or inherited:
            yield self._lines_of(key, value, _section(section, wanted, " " * self._indent, self._step, self._newline))
        else:
            yield self._lines_of(key, value, "")

    def _of_places(
        self, section: yaml.Node, mapping: yaml.MappingNode, known: Mapping[str, Place], wanted: tuple[Place, ...]
    ) -> Iterator[Edit]:
        """Of a mapping that has lines of its own for each place."""
        column = mapping.value[0][0].start_mark.column
        new = {place.name: place for place in wanted if place.name not in known}
        stay = {place.name: place for place in wanted if place.name in known}
        for key, value in mapping.value:
            before = known[key.value]
            place = stay.get(key.value)
            if place is None:  # it is gone, or has another name
                place = next((each for each in new.values() if _shape_of(each) == _shape_of(before)), None)
                if place is None:
                    yield self._lines_of(key, value, "")
                    continue
                del new[place.name]
                yield key.start_mark.index, key.end_mark.index, _key(place.name)
            yield from self._of_place(value, before, place)
        if new:
            step = column - section.start_mark.column
            lines = [_lines(place, " " * column, step, self._newline) for place in new.values()]
            yield self._after(mapping.value[-1][1], "".join(lines))

    def _of_place(self, value: yaml.Node, before: Place, after: Place) -> Iterator[Edit]:
        if not list(_changed(before, after)):
            return
        if not isinstance(value, yaml.MappingNode) or value.flow_style:
            yield _start(value), self._end(value), _flow(_fields(after))
            return
        new = []
        for field, setting in _changed(before, after):
            found = _entry(value, field)
            if found is None:
                new.append(f"{' ' * value.value[0][0].start_mark.column}{field}: {setting}{self._newline}")
            elif _start(found[1]) > self._text.find("\n", found[0].end_mark.index) >= 0:
                yield self._text.index(":", found[0].end_mark.index) + 1, self._end(found[1]), f" {setting}"
            else:
                yield _start(found[1]), self._end(found[1]), setting
        if new:
            yield self._after(value.value[-1][1], "".join(new))

    def _new_section(self, section: str, wanted: tuple[Place, ...]) -> Edit:
        if not self._holder.flow_style:
            return self._after(
                self._holder.value[-1][1], _section(section, wanted, " " * self._indent, self._step, self._newline)
            )
        entry = f"{section}: {_flow({place.name: _fields(place) for place in wanted})}"
        if not self._holder.value:
            return self._holder.start_mark.index + 1, self._holder.start_mark.index + 1, entry
        end = self._end(self._holder.value[-1][1])
        return end, end, f", {entry}"

    def _lines_of(self, key: yaml.Node, value: yaml.Node, new: str) -> Edit:
        """The whole lines of an entry of a block mapping, up to the last one that holds something of it."""
        return self._text.rfind("\n", 0, key.start_mark.index) + 1, self._line_end(self._end(value)), new

    def _after(self, node: yaml.Node, new: str) -> Edit:
        """Lines behind the last one of ``node``."""
        at = self._line_end(self._end(node))
        missing = "" if self._text[:at].endswith("\n") else self._newline
        return at, at, missing + new

    def _line_end(self, at: int) -> int:
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end + 1

    def _end(self, node: yaml.Node) -> int:
        """Where the last thing of a node ends: the parser's end of a block is where the next one begins, comments between."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            return self._end(last[1] if isinstance(node, yaml.MappingNode) else last)
        end = int(node.end_mark.index)
        return len(self._text[:end].rstrip())


def _holder(text: str, location: Location, name: str) -> yaml.MappingNode | None:
    """The mapping at ``location``; None for an empty document."""
    node = yaml.compose(text, yaml.SafeLoader)
    if node is None and not location:
        return None
    for key in location:
        found = _entry(node, key)
        if found is None or _start(found[1]) < found[0].end_mark.index:
            raise ConfigError(f"{name}: there is no {'.'.join(map(str, location))} in it", hint="copy the YAML into the file")
        node = found[1]
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{name}: expected keys and values", hint="copy the YAML into the file by hand")
    return node


def _entry(node: yaml.Node | None, key: object) -> tuple[yaml.ScalarNode, yaml.Node] | None:
    """A key and its value of a mapping; not of those that are merged into it."""
    if isinstance(node, yaml.MappingNode):
        for at, value in node.value:
            if isinstance(at, yaml.ScalarNode) and at.value == key:
                return at, value
    return None


def _by_name(places: Iterable[Place]) -> dict[str, Place]:
    return {place.name: place for place in places}


def _start(node: yaml.Node) -> int:
    return int(node.start_mark.index)


def _constructed(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True) or {}
    finally:
        loader.dispose()


def _read(said: Mapping[str, object], section: str) -> tuple[Place, ...]:
    return tuple(getattr(_expanded(said), section))


def _expanded(said: Mapping[str, object]) -> Places:
    return parse_places(expand(Document("zones", dict(said), {}), os.environ)[0].data)


def _part(data: object, location: Location) -> dict[str, Any]:
    """The mapping at ``location``; an empty one where there is none."""
    for key in location:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _places_in(data: Mapping[str, object], location: Location) -> Places:
    own = _part(dict(data), location)
    inherited = _part(dict(data), ("defaults",)) if location else {}
    return _expanded({section: own.get(section, inherited.get(section)) or {} for section in _SECTIONS})


def _without_places(data: Mapping[str, object], location: Location) -> object:
    """All settings but the zones and lines at ``location``."""
    if location:
        rest = {key: value for key, value in data.items() if key != location[0]}
        return rest, _without_places(_part(dict(data), location[:1]), location[1:])
    return {key: value for key, value in data.items() if key not in _SECTIONS}


def _fields(place: Place) -> dict[str, Any]:
    """A place as its settings: what is not as it is anyway."""
    plain = {
        _KEYS.get(field.name, field.name): _plain(field.default) for field in fields(place) if field.default is not MISSING
    }
    return {field: value for field, value in _settings(place).items() if field != "name" and value != plain.get(field)}


def _shape_of(place: Place) -> tuple[Point, ...]:
    return place.polygon if isinstance(place, Zone) else place.points


def _settings(place: Place) -> dict[str, Any]:
    """All fields by the names that settings have for them, as YAML holds them."""
    return {_KEYS.get(field.name, field.name): _plain(getattr(place, field.name)) for field in fields(place)}


def _plain(value: object) -> object:
    if value is None:
        return _ALL
    if isinstance(value, frozenset):
        return [name.replace("$", "$$") for name in sorted(value)]  # a dollar sign begins a variable
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _changed(before: Place, after: Place) -> Iterator[tuple[str, str]]:
    """The settings that are others, as text."""
    was = _settings(before)
    for field, value in _settings(after).items():
        if field != "name" and was[field] != value:
            yield field, _flow(value)


def _section(section: str, places: Iterable[Place], indent: str, step: int, newline: str) -> str:
    places = list(places)
    if not places:
        return f"{indent}{section}: {{}}{newline}" if indent else ""
    inner = indent + " " * step
    return f"{indent}{section}:{newline}" + "".join(_lines(place, inner, step, newline) for place in places)


def _lines(place: Place, indent: str, step: int, newline: str) -> str:
    inner = indent + " " * step
    said = "".join(f"{inner}{field}: {_flow(value)}{newline}" for field, value in _fields(place).items())
    return f"{indent}{_key(place.name)}:{newline}{said}"


def _key(name: str) -> str:
    return _flow({name: 0}).removeprefix("{").removesuffix(": 0}")


def _flow(value: object) -> str:
    """A value on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=1 << 30, sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
