"""H.264 as byte streams: each unit behind a start code, parameter sets before every key frame (ITU-T H.264, annex B)."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.sources.whole_pictures import parameter_sets

_START = b"\x00\x00\x00\x01"


class AnnexB:
    """Makes byte streams of the packets of one stream; those that are some already stay as they are."""

    def __init__(self, extradata: bytes | None) -> None:
        """``extradata`` is what was said beforehand: ``avcC`` (as in RTMP and MP4), parameter sets with start codes or nothing.

        Raises ``ValueError`` for an ``avcC`` that is cut.
        """
        said = extradata or b""
        self._length_bytes = 0
        if said.startswith(b"\x01"):
            self._length_bytes, units = _read_avcc(said)
            self._parameters = b"".join(_START + unit for unit in units)
        else:
            self._parameters = said

    def picture(self, data: bytes, *, key: bool) -> bytes:
        """One picture. Raises ``ValueError`` where its units are cut."""
        if self._length_bytes:
            data = b"".join(_START + unit for unit in _prefixed(data, self._length_bytes))
        if key and not parameter_sets("h264", data):
            return self._parameters + data
        return data


def _read_avcc(said: bytes) -> tuple[int, list[bytes]]:
    """How many bytes a unit's length takes, and the parameter sets (ISO/IEC 14496-15, 5.2.4.1)."""
    if len(said) < 7:
        raise ValueError("the parameters of the stream are cut")
    units, at = [], 5
    for mask in (0x1F, 0xFF):  # sequence parameter sets, then picture parameter sets
        if at >= len(said):
            raise ValueError("the parameters of the stream are cut")
        count, at = said[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(said[at : at + 2], "big")
            unit = said[at + 2 : at + 2 + size]
            if not unit or len(unit) < size:
                raise ValueError("the parameters of the stream are cut")
            units.append(unit)
            at += 2 + size
    return (said[4] & 3) + 1, units


def _prefixed(data: bytes, length_bytes: int) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + length_bytes], "big")
        at += length_bytes
        if at + size > len(data):
            raise ValueError("a picture is cut")
        if size:
            yield data[at : at + size]
        at += size
