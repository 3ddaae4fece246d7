"""Putting pictures together from the pieces that RTP carries, bit for bit, for those who can wait for the next one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from streamer.sources.access_units import nal_units

_H264_IDR, _H264_SLICE, _H264_SPS = 5, 1, 7
_H265_LAST_SLICE = 31
_H265_RANDOM_ACCESS = range(16, 22)
_H265_PARAMETERS = (32, 33)
_INTRA = 2
"""``slice_type`` of H.264, modulo 5."""


@dataclass(frozen=True, slots=True)
class WholePicture:
    """All that was sent with one time stamp."""

    data: bytes
    pts: int | None
    dts: int | None
    key: bool
    """What FFmpeg says of its first piece."""


class WholePictures:
    """Joins what FFmpeg's RTP reader hands out: everything with the same time stamp is one picture.

    Unparsed, that are units and fragments of them; parsed, they are pictures, but for key frames whose parameter sets stand
    between their slices, which FFmpeg's parser cuts there.

    Nothing is left out or put in another order; a picture is whole when the next one begins.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._first: tuple[int | None, int | None, bool] = (None, None, False)

    @property
    def pieces(self) -> int:
        """How many pieces of the present picture have come."""
        return len(self._pieces)

    def push(self, data: bytes, pts: int | None, dts: int | None = None, *, key: bool = False) -> WholePicture | None:
        """Take the next piece; get the picture before, if this piece begins another."""
        whole = self.flush() if self._pieces and pts != self._first[0] else None
        if not self._pieces:
            self._first = (pts, dts, key)
        self._pieces.append(data)
        return whole

    def flush(self) -> WholePicture | None:
        """No more pieces will come: get the last picture, if there is one."""
        if not self._pieces:
            return None
        whole = WholePicture(b"".join(self._pieces), *self._first)
        self._pieces = []
        return whole


def is_key(codec: str, data: bytes) -> bool:
    """Whether decoding can begin with this picture (with start codes) of H.264 or H.265."""
    if codec == "h264":
        return _h264_key(data)
    return any(unit[0] >> 1 & 0x3F in _H265_RANDOM_ACCESS for unit in _head(data, codec))


def is_picture(codec: str, data: bytes) -> bool:
    """Whether what came (with start codes) holds a slice of H.264 or H.265. No slice of the one looks like one of the other."""
    if codec == "h264":
        return any(unit[0] & 0x1F in (_H264_SLICE, _H264_IDR) for unit in nal_units(data) if unit)
    # The last bit of the first byte and the first five of the second are the layer, 0; a temporal id is never 0.
    return any(
        not unit[0] & 1 and 0 < unit[1] < 8 and unit[0] >> 1 & 0x3F <= _H265_LAST_SLICE for unit in nal_units(data) if unit[1:]
    )


def parameter_sets(codec: str, data: bytes) -> bytes:
    """What says how large the pictures are (SPS, of H.265 also VPS): without start codes; empty if not there."""
    units = _head(data, codec)
    if codec == "h264":
        return b"".join(unit for unit in units if unit[0] & 0x1F == _H264_SPS)
    return b"".join(unit for unit in units if unit[0] >> 1 & 0x3F in _H265_PARAMETERS)


def _head(data: bytes, codec: str) -> Iterator[bytes]:
    """The units of a picture up to its first slice, with it."""
    for unit in nal_units(data):
        yield unit
        if 1 <= unit[0] & 0x1F <= _H264_IDR if codec == "h264" else unit[0] >> 1 & 0x3F <= _H265_LAST_SLICE:
            return


def _h264_key(data: bytes) -> bool:
    """An IDR picture, or one of intra slices after a sequence parameter set: some cameras never send an IDR."""
    has_parameters = False
    for unit in _head(data, "h264"):
        kind = unit[0] & 0x1F
        if kind == _H264_IDR:
            return True
        has_parameters = has_parameters or kind == _H264_SPS
        if kind == _H264_SLICE:
            return has_parameters and _slice_type(unit) % 5 == _INTRA
    return False


def _slice_type(unit: bytes) -> int:
    """``slice_type``: the second number of a slice's header."""
    bits = "".join(f"{byte:08b}" for byte in unit[1:12])
    at = value = 0
    for _ in range(2):
        zeros = len(bits[at:]) - len(bits[at:].lstrip("0"))
        value = int(bits[at + zeros : at + 2 * zeros + 1] or "1", 2) - 1
        at += 2 * zeros + 1
    return value
