"""Records of a time, found in a file of weeks without reading it all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from streamer.errors import SourceNotFound
from streamer.runtime.utc import parse_utc

_NEAR_BYTES = 65_536
"""A part of the file so small is read from its beginning."""


def lines_between(path: str | os.PathLike[str], start_utc_s: float, end_utc_s: float) -> Iterator[dict[str, Any]]:
    """The lines of the frames that were captured from ``start_utc_s`` to ``end_utc_s``, seconds since 1970, in order.

    They are looked for by halves: of a file that is being written to, only what is asked for is read. Lines that say no time,
    and those that cannot be read, are passed over. Raises ``SourceNotFound``.
    """
    try:
        file = Path(path).open("rb")  # noqa: SIM115  # closed by the with below: only opening it may raise SourceNotFound
    except OSError as error:
        raise SourceNotFound(f"cannot read records from {os.fspath(path)}: {error.strerror}", hint="check the path") from error
    with file:
        file.seek(_first_at(file, start_utc_s))
        for raw in file:
            line, utc_s = _read(raw)
            if utc_s is None or utc_s < start_utc_s:
                continue
            if utc_s > end_utc_s:
                return
            yield line


def _first_at(file: BinaryIO, start_utc_s: float) -> int:
    """Where to read from: all lines before it were captured earlier."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while high - low > _NEAR_BYTES:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()  # the rest of a line
        begin, utc_s = file.tell(), None
        while utc_s is None and file.tell() < high and (raw := file.readline()):
            utc_s = _read(raw)[1]
        if utc_s is not None and utc_s < start_utc_s:
            low = begin
        else:
            high = middle
    return low


def _read(raw: bytes) -> tuple[dict[str, Any], float | None]:
    """A line, and when its frame was captured; None for lines of other things."""
    try:
        line = json.loads(raw)
        return line, parse_utc(line["utc"]) if line["type"] == "frame" else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}, None
