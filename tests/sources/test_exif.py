"""How a camera was held, from the files that tell it."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.frame import Orientation
from streamer.sources.conversion import orientation
from streamer.sources.exif import exif_matrix


def tiff(value: int, order: str) -> bytes:
    """A TIFF header and a directory of two entries, the second of which is the orientation."""

    def number(of: int, size: int) -> bytes:
        return of.to_bytes(size, "little" if order == "II" else "big")

    def entry(tag: int, content: int) -> bytes:
        return number(tag, 2) + number(3, 2) + number(1, 4) + number(content, 2) + b"\0\0"

    return order.encode() + number(42, 2) + number(8, 4) + number(2, 2) + entry(0x0103, 6) + entry(0x0112, value) + bytes(4)


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize(
    "head", [b"\xff\xd8\xff\xe1\0\x40Exif\0\0", b"\x89PNG\0\0\0\x20eXIf", b"RIFF\0\0\0\0WEBPEXIF\x30\0\0\0"]
)
@pytest.mark.parametrize("value", range(1, 9))
def test_the_orientation_is_found_and_means_what_opencv_takes_it_for(value: int, head: bytes, order: str) -> None:
    found = orientation(exif_matrix(head + tiff(value, order)))
    stored = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(4, 6, 3)
    encoded = cv2.imencode(".png", stored)[1].tobytes()
    # OpenCV turns a PNG by its eXIf chunk: put one in behind the header.
    chunk = b"eXIf" + tiff(value, order)
    at = 8 + 25
    crc = zlib.crc32(chunk).to_bytes(4, "big")
    photo = encoded[:at] + (len(chunk) - 4).to_bytes(4, "big") + chunk + crc + encoded[at:]
    shown = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(found.upright(stored), shown)


def test_files_that_tell_nothing() -> None:
    assert exif_matrix(b"") is None
    assert exif_matrix(b"\xff\xd8 no data at all") is None
    assert exif_matrix(b"Exif\0\0" + tiff(9, "II")) is None
    assert exif_matrix(b"Exif\0\0MM\0*\xff\xff\xff\xff") is None
    assert orientation(exif_matrix(b"")) == Orientation()


@given(st.binary(max_size=200))
def test_nonsense_never_raises(data: bytes) -> None:
    found = exif_matrix(b"Exif\0\0II*\0" + data)
    assert found is None or len(found) == 9
