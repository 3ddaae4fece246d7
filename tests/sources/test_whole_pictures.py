"""Pictures from the pieces that RTP carries."""

from __future__ import annotations

import pytest

from streamer.sources.whole_pictures import WholePictures, is_key, parameter_sets

CODE = b"\0\0\0\1"


def test_all_with_one_time_stamp_is_one_picture() -> None:
    pictures = WholePictures()
    pieces = [(b"a", 0), (b"b", 0), (b"c", 3600), (b"d", 7200), (b"e", 7200)]
    done = [pictures.push(data, pts) for data, pts in pieces]
    last = pictures.flush()
    assert [(each.data, each.pts) for each in (*done, last) if each is not None] == [(b"ab", 0), (b"c", 3600), (b"de", 7200)]
    assert pictures.flush() is None


@pytest.mark.parametrize(
    ("codec", "units", "key"),
    [
        ("h264", [b"\x67\x64", b"\x68", b"\x65\x88"], True),
        ("h264", [b"\x41\x9a"], False),
        ("h264", [b"\x67\x64", b"\x41\xb0"], True),  # first_mb 0, slice type 2: intra slices after parameters
        ("h264", [b"\x67\x64", b"\x41\x9a"], False),  # first_mb 0, slice type 5
        ("h264", [b"\x06\x05"], False),
        ("hevc", [b"\x40\x01", b"\x42\x01", b"\x26\x01"], True),
        ("hevc", [b"\x02\x01"], False),
    ],
)
def test_key_frames_are_known_by_their_units(codec: str, units: list[bytes], key: bool) -> None:
    assert is_key(codec, b"".join(CODE + unit for unit in units)) is key


def test_what_says_the_size() -> None:
    assert parameter_sets("h264", CODE + b"\x67\x64\x01" + CODE + b"\x68\x02" + CODE + b"\x65\x03") == b"\x67\x64\x01"
    assert parameter_sets("h264", CODE + b"\x65\x03") == b""
    assert parameter_sets("hevc", CODE + b"\x40\x01" + CODE + b"\x42\x01" + CODE + b"\x44\x01") == b"\x40\x01\x42\x01"
