"""YAML files of settings into documents. Apart from what a document is, since PyYAML is needed only where there is a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from streamer.config.document import Document, Location
from streamer.errors import ConfigError


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
