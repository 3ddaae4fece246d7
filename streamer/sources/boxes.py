"""Boxes of ISO base media files (MP4, MOV, HEIC, AVIF): the little of them that FFmpeg does not tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

_MOST_BOXES = 100_000


class Box(NamedTuple):
    """One box, without its header."""

    kind: str
    """Four characters, such as ``moov``."""
    start: int
    """Where its content begins, in bytes from the start of what was read."""
    end: int
    """Where its content ends; may lie behind the end of a file that is cut off."""


def missing_index(path: str) -> str | None:
    """What is missing in an MP4 or MOV file that cannot be opened, in words after its name; None where it is another file."""
    file = Path(path)
    if not file.is_file():
        return None
    kinds: list[str] = []
    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        for box in _top_level(stream, size):
            kinds.append(box.kind)
            if box.kind == "moov":
                return "is cut off in the middle of its index" if box.end > size else None
    if "ftyp" in kinds or "mdat" in kinds:
        return "was never finished: its index (moov) is missing, which is written when a recording ends"
    return None


def _top_level(stream: BinaryIO, size: int) -> Iterator[Box]:
    at = 0
    for _ in range(_MOST_BOXES):
        stream.seek(at)
        header = stream.read(16)
        if len(header) < 8:
            return
        length, kind = int.from_bytes(header[:4], "big"), header[4:8].decode("latin-1")
        begin = 8
        if length == 1:
            length, begin = int.from_bytes(header[8:16], "big"), 16
        elif length == 0:
            length = size - at
        if length < begin:
            return
        yield Box(kind, at + begin, at + length)
        at += length
