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


# Containers on the way to the description of a video, and how many bytes of their own come before their boxes.
_PARENTS = {"moov": 0, "trak": 0, "mdia": 0, "minf": 0, "stbl": 0, "stsd": 8}
_VISUAL_ENTRY_BYTES = 78


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes that lie one after the other in ``data``; ends at one that is longer than what is there."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        length, begin = int.from_bytes(data[start : start + 4], "big"), 8
        if length == 1:
            length, begin = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        elif length == 0:
            length = end - start
        if length < begin or start + length > end:
            return
        yield Box(data[start + 4 : start + 8].decode("latin-1"), start + begin, start + length)
        start += length


def find_box(header: bytes, kind: str) -> Box | None:
    """The first box of a kind in the description of the first stream, a video, of an MP4 file; None where there is none."""
    path = _sample_entry(header)
    if not path:
        return None
    entry = path[-1]
    return next((box for box in boxes(header, entry.start + _VISUAL_ENTRY_BYTES, entry.end) if box.kind == kind), None)


def with_boxes(header: bytes, added: bytes) -> bytes:
    """The head of an MP4 file with boxes, header and all, ``added`` to the description of its first stream, a video.

    Raises ``ValueError`` where there is no such description.
    """
    path = _sample_entry(header)
    if not path:
        raise ValueError("no head of an MP4 file with a video")
    patched = bytearray(header)
    for box in path:
        patched[box.start - 8 : box.start - 4] = (box.end - box.start + 8 + len(added)).to_bytes(4, "big")
    patched[path[-1].end : path[-1].end] = added
    return bytes(patched)


def _sample_entry(header: bytes) -> list[Box]:
    """The description of the first stream with all boxes around it, from the outside in; empty where there is none."""
    path: list[Box] = []
    start, end = 0, len(header)
    for kind, own_bytes in _PARENTS.items():
        found = next((box for box in boxes(header, start, end) if box.kind == kind), None)
        if found is None:
            return []
        path.append(found)
        start, end = found.start + own_bytes, found.end
    entry = next(boxes(header, start, end), None)
    return [] if entry is None else [*path, entry]
