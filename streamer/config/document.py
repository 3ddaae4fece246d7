"""YAML documents that know the line of each of their keys, so that a complaint can point at it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from streamer.errors import ConfigError

Location = tuple[str | int, ...]
"""The way to a value: keys and indices from the document's root."""


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML mapping and where its parts stand."""

    path: str
    """Name for messages."""
    data: dict[str, object]
    lines: Mapping[Location, int]
    """Line (from 1) of each key and list item."""

    def where(self, location: Location) -> str:
        """``cameras.yaml:12`` for the innermost part of ``location`` that is in the file, or the path alone."""
        for end in range(len(location), 0, -1):
            line = self.lines.get(location[:end])
            if line is not None:
                return f"{self.path}:{line}"
        return self.path


def load_yaml(path: str | os.PathLike[str]) -> Document:
    """Read a YAML file that holds one mapping; an empty file is an empty mapping.

    Raises ``ConfigError`` when it is not there, no YAML, no mapping, or says a key twice.
    """
    name = os.fspath(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {name}: {error.strerror}", hint="check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the configuration {name} is no text in UTF-8") from error
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str) -> Document:
    """Like :func:`load_yaml`, from text; ``name`` is for messages."""
    try:
        root, data = _read(text, name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}" if mark is not None else ""
        what = " ".join(part for part in (error.context, error.problem) if part)
        # `source: test:` is read as a mapping within a line.
        hint = 'put a text with a colon in quotes: "test:"' if "mapping values are not allowed" in what else ""
        raise ConfigError(f"{name}{at}: not YAML: {what}", hint=hint) from error
    except ConfigError:
        raise
    except (yaml.YAMLError, ValueError) as error:  # a date in a 13th month is a ValueError
        raise ConfigError(f"{name}: not YAML: {' '.join(str(error).split())}") from error
    if root is None:
        return Document(name, {}, {})
    if not isinstance(data, dict):
        raise ConfigError(f"{name}: expected keys and values at the top, got {type(data).__name__}")
    for key in data:
        if not isinstance(key, str):
            raise ConfigError(f"{name}: expected a name as key, got {key!r}", hint="write it in quotes")
    return Document(name, data, dict(_lines(root, ())))


def _read(text: str, name: str) -> tuple[yaml.Node | None, object]:
    """The document's node, None for an empty one, and its data."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, None
        _refuse_doubles(root, name)
        # Merge keys (<<) are resolved in the nodes themselves by this, so it comes before their lines are read.
        return root, loader.construct_document(root)
    finally:
        loader.dispose()


def _refuse_doubles(node: yaml.Node, name: str, parents: tuple[yaml.Node, ...] = ()) -> None:
    """YAML readers let the last of two equal keys win in silence; and a node within itself would never end."""
    if any(node is parent for parent in parents):
        raise ConfigError(f"{name}:{node.start_mark.line + 1}: a part that contains itself")
    inside = (*parents, node)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_doubles(item, name, inside)
    elif isinstance(node, yaml.MappingNode):
        first: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                earlier = first.setdefault((key.tag, key.value), line)
                if earlier != line:
                    raise ConfigError(f"{name}:{line}: {key.value} is there twice, first in line {earlier}")
            _refuse_doubles(value, name, inside)


def _lines(node: yaml.Node, location: Location) -> Iterator[tuple[Location, int]]:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*location, index), item.start_mark.line + 1
            yield from _lines(item, (*location, index))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield (*location, key.value), key.start_mark.line + 1
                yield from _lines(value, (*location, key.value))
