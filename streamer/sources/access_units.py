"""Putting H.264 and H.265 pictures together from the pieces that RTP carries, one picture sooner than a parser can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_SURE = 8
"""Correct predictions in a row before early output starts."""
_MOST_MISTAKES = 2
"""Wrong early outputs after which early output ends for good."""
_START_CODE = b"\x00\x00\x01"


@dataclass(frozen=True, slots=True)
class _Syntax:
    """Where a codec's NAL units say what they are."""

    header_bytes: int
    slices: frozenset[int]
    delimiter: int
    parameters: frozenset[int]

    def kind(self, unit: bytes) -> int:
        return unit[0] & 0x1F if self.header_bytes == 1 else unit[0] >> 1 & 0x3F

    def is_first_slice(self, unit: bytes) -> bool:
        """Whether a slice is its picture's first: ``first_mb_in_slice`` 0, or ``first_slice_segment_in_pic_flag``."""
        return len(unit) > self.header_bytes and bool(unit[self.header_bytes] & 0x80)


_SYNTAXES = {
    "h264": _Syntax(1, frozenset({1, 2, 5}), 9, frozenset({7, 8})),
    "hevc": _Syntax(2, frozenset({*range(10), *range(16, 22)}), 35, frozenset({32, 33, 34})),
}

CODECS = frozenset(_SYNTAXES)
"""FFmpeg's names of the codecs that this module knows."""


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """The data of one whole picture, with start codes."""

    data: bytes
    pts: int | None


@dataclass(slots=True)
class _Open:
    """A picture whose pieces still come."""

    pts: int | None
    units: list[bytearray] = field(default_factory=list)
    slices: int = 0
    foreseen: int | None = None
    """Bytes it had when it was foreseen to be whole; None before."""
    size: int = 0
    """Bytes it has."""


class AccessUnits:
    """Takes what FFmpeg's RTP reader hands out unparsed (NAL units and fragments of them) and hands out whole pictures.

    FFmpeg's parser knows that a picture is whole only when the next one begins: one frame interval late, 100 ms at 10 frames a
    second. But encoders cut all their pictures into the same number of slices, mostly one, and payloaders fill all packets of
    a slice but the last. Once both have been true for some pictures, one is handed out with the short last packet of its
    last slice. Where they are not, or stop to be, pictures are completed by their successors.

    Parameter sets between two slices of a picture (GStreamer's payloader repeats them before each slice of a key frame) are
    left out: FFmpeg's parser would cut the picture in two there, and half of it would be gray or green.
    """

    def __init__(self, codec: str) -> None:
        self.mistakes = 0
        """Pictures that were handed out before they were whole."""
        self._syntax = _SYNTAXES[codec]
        self._open: _Open | None = None
        self._slices = 0
        self._full: int | None = None
        self._carried = 0
        self._in_slice = False
        self._right = 0

    def push(self, data: bytes, pts: int | None) -> list[AccessUnit]:
        """Take the next packet with its time stamp; get the pictures that are whole now."""
        done: list[AccessUnit] = []
        if data.startswith((_START_CODE, b"\x00" + _START_CODE)):
            for unit in nal_units(data):
                if self._open is None or self._begins(self._open, unit, pts):
                    done += self.flush()
                    self._open = _Open(pts)
                self._add(self._open, unit)
            # A first fragment carries start code and header besides what the packet carried.
            self._carried = len(data) - 4 - self._syntax.header_bytes
        else:
            # The packet before was followed by a fragment of the same slice: it was a full one.
            self._full = self._carried if self._full is None else min(self._full, self._carried)
            self._carried = len(data)
            if self._open is not None:
                self._continue(self._open, data, pts)
        if self._open is not None and self._foresees(self._open) and self._right >= _SURE:
            done.append(self._joined(self._open))
        return done

    def flush(self) -> list[AccessUnit]:
        """No more pieces will come: get the last picture, if there is one."""
        current, self._open = self._open, None
        if current is None or not current.slices:
            return []
        handed_out = current.foreseen is not None and self._right >= _SURE
        self._learn(current)
        return [] if handed_out else [self._joined(current)]

    def _begins(self, current: _Open, unit: bytes, pts: int | None) -> bool:
        """Whether ``unit`` belongs to another picture than the one that is open."""
        if pts != current.pts:
            return True
        # The same time stamp: another field, or a stream without time stamps.
        return self._syntax.kind(unit) in self._syntax.slices and current.slices > 0 and self._syntax.is_first_slice(unit)

    def _add(self, current: _Open, unit: bytes) -> None:
        kind = self._syntax.kind(unit)
        self._in_slice = kind in self._syntax.slices
        if current.slices and (kind in self._syntax.parameters or kind == self._syntax.delimiter):
            return
        current.units.append(bytearray(unit))
        current.slices += self._in_slice
        current.size += len(unit)

    def _continue(self, current: _Open, fragment: bytes, pts: int | None) -> None:
        """A fragment goes to the slice before it. If it has no slice there, its first part was lost, and it is of no use."""
        if self._in_slice and pts == current.pts:
            current.units[-1] += fragment
            current.size += len(fragment)
        else:
            self._in_slice = False

    def _foresees(self, current: _Open) -> bool:
        """Whether the picture looks whole with what has just come, for the first time."""
        if current.foreseen is not None or current.slices < max(1, self._slices):
            return False
        if self._full is not None and self._carried >= self._full:
            return False
        current.foreseen = current.size
        return True

    def _learn(self, current: _Open) -> None:
        right = current.foreseen == current.size
        if self._right >= _SURE and current.foreseen is not None and not right:
            self.mistakes += 1
        if current.slices != self._slices:
            # Fewer than usual are a loss on the way, unless it goes on.
            right = False
            self._slices = current.slices
        self._right = self._right + 1 if right and self.mistakes < _MOST_MISTAKES else 0

    def _joined(self, current: _Open) -> AccessUnit:
        return AccessUnit(b"".join(b"\x00" + _START_CODE + unit for unit in current.units), current.pts)


def nal_units(data: bytes) -> Iterator[bytes]:
    """The NAL units of a byte stream with start codes (00 00 01), without them."""
    start = data.find(_START_CODE)
    while start >= 0:
        start += len(_START_CODE)
        end = data.find(_START_CODE, start)
        # The fourth byte of the next start code is no part of the unit. An unfinished last unit is left as it is.
        unit = data[start:] if end < 0 else data[start:end].rstrip(b"\x00")
        if unit:
            yield unit
        start = end
