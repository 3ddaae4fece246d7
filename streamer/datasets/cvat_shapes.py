"""Where a CVAT file has its shapes: read once from end to end, of which only that is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from streamer.datasets.spans_by_frame import SpansByFrame

SHAPES = ("polygon", "box", "mask")
_PIECE = 1 << 14
"""Bytes that are read at once: few, since the parser hands them out anew at the end of each shape."""


class CvatShapes:
    """The shapes of tracks and images, without those that are outside."""

    def __init__(self, path: Path, every: int) -> None:
        """A frame of the file is ``every`` frames of the recording. Raises ``ValueError``, ``KeyError`` and ``OSError``."""
        self.spans = SpansByFrame(path)
        """Each shape's piece is a whole element, noted with the number of its track, from 1 on; 0 is of an image."""
        self.labels: list[str | None] = [None]
        """The classes of the tracks, by their number."""
        self.others: Counter[str] = Counter()
        """Shapes of other kinds, by kind."""
        self.sizes: set[tuple[int, int]] = set()
        """Widths and heights of the pictures, as far as they are told."""
        self.encoding = "utf-8"
        self._every = every
        self._depth = 0
        self._holder: dict[str, str] = {}
        self._holder_depth: int | None = None
        self._in_track = False
        self._original: dict[str, str] | None = None
        self._frame: int | None = None
        self._start = 0
        self._parser = expat.ParserCreate()
        self._parser.XmlDeclHandler = self._declared
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._begins
        self._parser.EndElementHandler = self._ends
        self._parser.buffer_text = True
        try:
            with path.open("rb") as file:
                self._read(file)
        except expat.ExpatError as error:
            raise ValueError(str(error)) from error
        self.spans.finish()

    def _read(self, file: BinaryIO) -> None:
        size = _PIECE
        while piece := file.read(size):
            before = self._parser.CurrentByteIndex
            self._parser.Parse(piece, False)
            # What is longer than a piece is begun anew with each: twice as much a time.
            size = _PIECE if self._parser.CurrentByteIndex > before else 2 * size
        self._parser.Parse(b"", True)

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        self.encoding = encoding or self.encoding

    def _doctype(self, _name: str, _system: str | None, _public: str | None, has_declarations: int) -> None:
        # Each shape is read again by itself, where entities and defaults would not be known.
        if has_declarations:
            raise ValueError("it declares entities or defaults in a DOCTYPE: save it without them")

    def _begins(self, name: str, attributes: dict[str, str]) -> None:
        if self._depth == 0 and name != "annotations":
            raise ValueError(f"its root is {name}, not annotations")
        if self._depth == 0 and not (self._parser.GetInputContext() or b"").startswith(b"<annotations"):
            raise ValueError("it is written in UTF-16: save it as UTF-8")
        self._depth += 1
        if self._holder_depth is None:
            if name in ("track", "image"):
                self._holder, self._holder_depth, self._in_track = attributes, self._depth, name == "track"
                if self._in_track:
                    self.labels.append(attributes["label"])
                else:
                    self._note_size(attributes)
            elif name == "original_size":
                self._original = {}
                self._parser.CharacterDataHandler = self._text
            elif self._original is not None:
                self._original[name] = ""
        elif self._depth == self._holder_depth + 1:
            self._shape_begins(name, attributes)

    def _text(self, text: str) -> None:
        if self._original:
            self._original[next(reversed(self._original))] += text

    def _note_size(self, told: Mapping[str, str]) -> None:
        if "width" in told and "height" in told:
            self.sizes.add((int(told["width"]), int(told["height"])))

    def _shape_begins(self, name: str, attributes: dict[str, str]) -> None:
        self._frame = None
        if name == "tag" or attributes.get("outside") == "1":
            return
        if name not in SHAPES:
            self.others[name] += 1
            return
        self._frame = int(attributes["frame"] if self._in_track else self._holder["id"]) * self._every
        self._start = self._parser.CurrentByteIndex

    def _ends(self, name: str) -> None:
        if self._depth == self._holder_depth:
            self._holder_depth = None
        elif name == "original_size" and self._original is not None:
            self._note_size(self._original)
            self._original = self._parser.CharacterDataHandler = None
        elif self._holder_depth is not None and self._depth == self._holder_depth + 1 and self._frame is not None:
            end = self._parser.CurrentByteIndex
            # The parser stands before </box>, but behind <box …/>.
            context = self._parser.GetInputContext() or b""
            if context.startswith(f"</{name}".encode()):
                end += context.index(b">") + 1
            self.spans.add(self._frame, self._start, end - self._start, len(self.labels) - 1 if self._in_track else 0)
        self._depth -= 1
