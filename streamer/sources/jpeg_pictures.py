"""Finding JPEG pictures in a stream of bytes, whatever stands between them."""

from __future__ import annotations

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_SOS = 0xDA
_FIRST_MARKER = 0xC0
_IN_SCAN = frozenset({0x00, 0xFF, *range(0xD0, 0xD8)})
"""What may follow 0xFF within the coded picture: a stuffed byte, filling, a restart marker."""
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_MOST_BYTES = 64 * 2**20
"""No picture is larger: what grows beyond it is no JPEG."""


class JpegPictures:
    """Takes bytes as they come and hands out each whole JPEG, from its start to its end marker, with its last byte.

    For cameras whose multipart headers are wrong about length or boundary: those are not read at all. A picture that breaks
    off is left out once the next one begins. Thumbnails within a picture are parts of it.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0
        """Everything before was looked at; 0 while no picture has begun."""
        self._scanning = False
        """Whether the coded picture has begun, behind the headers."""

    def push(self, data: bytes) -> list[bytes]:
        """Take the next bytes; get the pictures that are whole now."""
        self._data += data
        pictures: list[bytes] = []
        while (end := self._end()) is not None:
            pictures.append(bytes(self._data[:end]))
            self._begin_at(end)
        if len(self._data) > _MOST_BYTES:
            self._begin_at(len(_SOI))
        return pictures

    def _begin_at(self, position: int) -> None:
        """Forget what lies before ``position``: the next picture is behind it."""
        del self._data[:position]
        self._at, self._scanning = 0, False

    def _end(self) -> int | None:
        """Where the picture that has begun ends; None while that has not come."""
        if not self._at and not self._begun():
            return None
        data = self._data
        while True:
            if self._scanning:
                self._at = data.find(b"\xff", self._at)
                if self._at < 0:
                    self._at = len(data)
            if self._at + 2 > len(data):
                return None
            marker = data[self._at + 1]
            if self._scanning and marker in _IN_SCAN:
                self._at += 1 if marker == 0xFF else 2
            elif data[self._at] != 0xFF or marker == _SOI[1] or (marker < _FIRST_MARKER and marker not in _WITHOUT_LENGTH):
                # No marker where one has to be, or another picture begins: this one was cut off.
                self._begin_at(len(_SOI))
                if not self._begun():
                    return None
            elif data[self._at : self._at + 2] == _EOI:
                return self._at + 2
            elif marker == 0xFF:
                self._at += 1
            elif marker in _WITHOUT_LENGTH:
                self._at += 2
            else:
                if self._at + 4 > len(data):
                    return None
                self._scanning = marker == _SOS
                self._at += 2 + max(2, int.from_bytes(data[self._at + 2 : self._at + 4], "big"))

    def _begun(self) -> bool:
        """Whether there is the start of a picture, which then stands at 0."""
        start = self._data.find(_SOI)
        if start < 0:
            # The last byte may be the first of a start marker.
            del self._data[: max(0, len(self._data) - 1)]
            return False
        self._begin_at(start)
        self._at = len(_SOI)
        return True
