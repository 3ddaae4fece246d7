"""A JSON file walked through from its beginning: in memory is only the piece at hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

_PIECE = 1 << 20
"""Bytes that are read at once, and more where one value is longer."""
_SPACE = re.compile(r"[ \t\n\r]*")
_NULLS = re.compile(r"(?:null[ \t\n\r]*,[ \t\n\r]*)++")
_CUT = 16
"""What ends, or is wrong, this near to the end of what was read may be a value that goes on: ``tru``, ``1.``, ``\\u00``."""
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class JsonWalk:
    """Goes from value to value in UTF-8. What the caller of :meth:`entries` or :meth:`elements` does not take is passed over.

    The standard library's own parser reads each value that is taken. All methods raise ``ValueError`` for what is no JSON, with
    the number of the byte, and ``OSError``.
    """

    def __init__(self, file: BinaryIO) -> None:
        """``file`` is open, at its beginning, and the caller's to close."""
        self._file = file
        # Bytes as Latin-1, so that places in the text are places in the file.
        self._text = ""
        self._at = 0
        self._before = 0
        self._ended = False
        self._decoder = json.JSONDecoder()
        self.span = (0, 0)
        """Where the value that was taken last lies in the file, and its length, in bytes."""
        self._taken = self._first = False
        self._more()
        head = self._text[:3].encode("latin-1")
        if head.startswith(_UTF16_MARKS):
            raise ValueError("it is written in UTF-16: save it as UTF-8")
        self._at = len(_UTF8_MARK) if head == _UTF8_MARK else 0

    def entries(self) -> Iterator[str]:
        """The names in an object, one by one: each with its value at hand."""
        self._begin("{", "an object")
        while self._goes_on("}"):
            name = self.value()
            if not isinstance(name, str):
                raise self._wrong("expected a name")
            self._expect(":")
            yield from self._offered(name)

    def elements(self, *, over_nulls: bool = False) -> Iterator[int]:
        """The places in an array, from 0 on: each with its value at hand.

        ``over_nulls``: nulls between may be left out, which is a hundred times as fast. The last element never is.
        """
        self._begin("[", "an array")
        place = 0
        while self._goes_on("]"):
            while over_nulls and self._peek() == "n" and (nulls := _NULLS.match(self._text, self._at)) is not None:
                place += self._text.count("null", self._at, nulls.end())
                self._at = nulls.end()
            yield from self._offered(place)
            place += 1

    def value(self) -> Any:
        """Take the value at hand as a whole."""
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                goes_on = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _CUT
                if self._ended or not goes_on:
                    raise ValueError(f"{error.msg} at byte {self._before + error.pos}") from error
            except RecursionError as error:
                raise self._wrong("too many brackets in one another") from error
            else:
                # A number near the end of what was read may go on: 1, 1., 1e+
                if len(self._text) - end >= _CUT or self._ended:
                    break
            self._more()
        piece = self._text[self._at : end]
        self.span = (self._before + self._at, len(piece))
        self._at, self._taken = end, True
        return value if piece.isascii() else json.loads(piece.encode("latin-1"))

    def at_null(self) -> bool:
        """Whether the value at hand begins as ``null`` does."""
        return self._peek() == "n"

    def finish(self) -> None:
        """Raises ``ValueError`` where more follows."""
        if self._peek():
            raise self._wrong("expected the end")

    def _offered(self, name: Any) -> Iterator[Any]:
        self._taken = False
        yield name
        if not self._taken:
            self.value()
        self._first = False

    def _begin(self, bracket: str, what: str) -> None:
        if self._peek() != bracket:
            raise self._wrong(f"expected {what}")
        self._at += 1
        self._first = True

    def _goes_on(self, bracket: str) -> bool:
        """Whether another entry follows, rather than the closing bracket."""
        found = self._peek()
        if found == bracket:
            self._at += 1
            self._taken, self._first = True, False
            return False
        if not self._first:
            self._expect(",")
        return True

    def _expect(self, mark: str) -> None:
        if self._peek() != mark:
            raise self._wrong(f"expected {mark!r}")
        self._at += 1

    def _peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = self._at if found is None else found.end()
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more()

    def _more(self) -> None:
        rest = self._text[self._at :]
        # As much again as there is: a long value is not begun anew too often.
        read = self._file.read(max(_PIECE, len(rest)))
        self._ended = not read
        self._before += self._at
        self._text, self._at = rest + read.decode("latin-1"), 0

    def _wrong(self, what: str) -> ValueError:
        return ValueError(f"{what} at byte {self._before + self._at}")
