"""The one thing in a photo's EXIF data that a picture needs: how the camera was held."""

from __future__ import annotations

_ORIENTATION = 0x0112
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


def _orientation(photo: bytes) -> int:
    """1..8, or 0 where there is none. EXIF is a small TIFF file; its first directory holds the orientation."""
    start = _tiff_start(photo)
    if start < 0:
        return 0
    order = "little" if photo[start : start + 2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(photo[start + at : start + at + size], order)  # type: ignore[arg-type]  # one of the two literals

    directory = number(4, 4)
    for index in range(min(number(directory, 2), 200)):
        entry = directory + 2 + 12 * index
        if number(entry, 2) == _ORIENTATION:
            return number(entry + 8, 2)
    return 0


def _tiff_start(photo: bytes) -> int:
    """Where the TIFF header stands: behind "Exif" in a JPEG, in the chunk "eXIf" of a PNG, in "EXIF" of a WebP."""
    for mark, skip in ((b"Exif\0\0", 6), (b"eXIf", 4), (b"EXIF", 8)):
        at = photo.find(mark)
        if at >= 0:
            for header in (b"II*\0", b"MM\0*"):
                found = photo.find(header, at + skip, at + skip + 16)
                if found >= 0:
                    return found
    return -1
