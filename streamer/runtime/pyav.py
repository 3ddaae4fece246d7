"""What differs between the releases of PyAV that streamer runs with: 18.1 for Python 3.11, 19 for newer ones."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Protocol

import av
from av.sidedata.sidedata import Type

_OLD = int(av.__version__.partition(".")[0]) < 19
READ: dict[str, Any] = {"metadata_errors": "replace"} if _OLD else {}
"""Options of ``av.open`` for reading files whose metadata may not be UTF-8: PyAV 18 would refuse them."""


def undecoded(index: int | None) -> dict[str, Any]:
    """Options of ``av.open`` by which nothing of the stream ``index`` is decoded to know it better, which is most of what
    opening a file takes. PyAV 19 has no such option, and there are none for None.
    """
    return {"stream_options": [*({} for _ in range(index)), {"skip_frame": "all"}]} if _OLD and index is not None else {}


class Ratio(Protocol):
    """A ``Fraction``, or the ``AVRational`` of PyAV 19."""

    @property
    def numerator(self) -> int: ...

    @property
    def denominator(self) -> int: ...


def fraction(ratio: Ratio | None) -> Fraction | None:
    """``ratio`` exactly, or None where it is not set, which PyAV 19 tells by a numerator or denominator of 0.

    Its ``AVRational`` goes no further than here: it lacks half of a number's methods, and rounds where two are multiplied.
    """
    return Fraction(ratio.numerator, ratio.denominator) if ratio else None


def readable(metadata: dict[str, str]) -> dict[str, str]:
    """``metadata`` with U+FFFD for bytes that are not UTF-8, which PyAV 19 hands on as lone surrogates, unfit to be printed."""
    return {_readable(key): _readable(value) for key, value in metadata.items()}


def side_data(frame: av.VideoFrame) -> dict[Type, bytes]:
    """The side data of a frame by kind. Raises ``ValueError`` where PyAV has no name for one of the kinds.

    What the container of PyAV 18 gives when it is iterated are its items, of PyAV 19 its keys.
    """
    held: Any = frame.side_data
    items = [held[entry] if isinstance(entry, Type) else entry for entry in held]
    return {item.type: bytes(item) for item in items}


def _readable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
