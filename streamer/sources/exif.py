"""What a picture needs of a photo's EXIF data: how the camera was held, and where the preview is."""

from __future__ import annotations

from typing import Literal

_ORIENTATION, _PREVIEW_START, _PREVIEW_LENGTH = 0x0112, 0x0201, 0x0202
_MOST_ENTRIES = 200
_ONE = 1 << 16

# EXIF's orientation 1..8 as a, b, c, d of FFmpeg's display matrix.
_TURNS = {
    1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
    5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
}  # fmt: skip


def exif_matrix(photo: bytes) -> tuple[int, ...] | None:
    """FFmpeg's display matrix (9 integers) for the orientation in a JPEG, PNG or WebP file; None where it tells none."""
    turn = _TURNS.get(_orientation(photo))
    if turn is None:
        return None
    a, b, c, d = (number * _ONE for number in turn)
    return (a, b, 0, c, d, 0, 0, 0, 1 << 30)


def without_preview(exif: bytes) -> bytes:
    """EXIF data (from its TIFF header on) of an upright picture, and without a preview of what it showed before.

    The bytes stay where they are: makers' notes hold offsets that nobody else knows.
    """
    if _tiff_start(exif) != 0:
        return exif
    tiff = _Tiff(exif)
    changed = bytearray(exif)
    directory = tiff.number(4, 4)
    for entry in tiff.entries(directory):
        if tiff.number(entry, 2) == _ORIENTATION:
            changed[entry + 8 : entry + 10] = (1).to_bytes(2, tiff.order)
    link = directory + 2 + 12 * tiff.number(directory, 2)
    preview = tiff.number(link, 4)
    if preview:
        tags = {tiff.number(entry, 2): tiff.number(entry + 8, 4) for entry in tiff.entries(preview)}
        start, length = tags.get(_PREVIEW_START, 0), tags.get(_PREVIEW_LENGTH, 0)
        if start:
            end = min(start + length, len(exif))
            changed[start:end] = bytes(max(0, end - start))
        changed[link : link + 4] = bytes(4)
    return bytes(changed)


def _orientation(photo: bytes) -> int:
    """1..8, or 0 where there is none. EXIF is a small TIFF file; its first directory holds the orientation."""
    start = _tiff_start(photo)
    if start < 0:
        return 0
    tiff = _Tiff(photo[start:])
    for entry in tiff.entries(tiff.number(4, 4)):
        if tiff.number(entry, 2) == _ORIENTATION:
            return tiff.number(entry + 8, 2)
    return 0


class _Tiff:
    """Numbers and directories of a TIFF file; 0 where the file has ended before."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"

    def number(self, at: int, size: int) -> int:
        return int.from_bytes(self._data[at : at + size], self.order)

    def entries(self, directory: int) -> list[int]:
        """Where the entries of a directory begin that lie whole in the file; each has 12 bytes, its value in the last four."""
        count = min(self.number(directory, 2), _MOST_ENTRIES)
        places = range(directory + 2, directory + 2 + 12 * count, 12)
        return [at for at in places if at + 12 <= len(self._data)]


def _tiff_start(photo: bytes) -> int:
    """Where the TIFF header stands: at the start, or behind "Exif" (JPEG), "eXIf" (PNG) or "EXIF" (WebP)."""
    if photo[:4] in (b"II*\0", b"MM\0*"):
        return 0
    for mark, skip in ((b"Exif\0\0", 6), (b"eXIf", 4), (b"EXIF", 8)):
        at = photo.find(mark)
        if at >= 0:
            for header in (b"II*\0", b"MM\0*"):
                found = photo.find(header, at + skip, at + skip + 16)
                if found >= 0:
                    return found
    return -1
