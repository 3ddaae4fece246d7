"""Documents that know the line of each of their keys, so that a complaint can point at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
