"""Names of classes as datasets hold them, and which class of the records each of them is."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

_UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Kinds of characters that XML, YAML or UTF-8 forbid or take for a line's end: controls, halves of pairs, separators."""


class ClassNames:
    """One line of text for each class, no two of them alike: most formats know a class by its name only.

    Names are given in the order in which classes come, the same for the same records. So what an export called otherwise is
    known again when it comes back.
    """

    def __init__(self, labels: Mapping[int, str]) -> None:
        self.written: dict[int, str] = {}
        """Class ids to names in the dataset."""
        self.own: dict[int, str] = {}
        """Class ids to names in the records."""
        self._ids: dict[str, int] = {}
        for class_id, name in sorted(labels.items()):
            self.add(class_id, name)

    def add(self, class_id: int, name: str) -> None:
        """Add a class; one that is there keeps its name."""
        if class_id in self.written:
            return
        text = one_line(name)
        if not text.strip():
            text = f"class {class_id}"
        while text in self._ids:
            text = f"{text} ({class_id})"
        self.own[class_id], self.written[class_id], self._ids[text] = name, text, class_id
        self._ids.setdefault(name, class_id)

    def id_of(self, name: str) -> int | None:
        """The class that has this name in a dataset, or else in the records; None where none has."""
        return self._ids.get(name)

    def notes(self) -> Iterator[str]:
        """Which classes are called otherwise than in the records."""
        renamed = [
            f"{self.own[class_id]!r} (class {class_id}) is {name!r}"
            for class_id, name in self.written.items()
            if self.own[class_id] != name
        ]
        if renamed:
            yield f"names of classes that are another's too, or that cannot be written, are changed: {', '.join(renamed)}"


def one_line(text: str) -> str:
    """A text with U+FFFD in place of each character that a line of XML, YAML or an INI file cannot hold."""
    return "".join("\ufffd" if unicodedata.category(each) in _UNWRITABLE or each in "\ufffe\uffff" else each for each in text)
