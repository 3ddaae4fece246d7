"""JPEG pictures in a stream of bytes that says nothing true about them."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.sources.jpeg_pictures import JpegPictures


def jpeg(shade: int, size: int = 64) -> bytes:
    """A picture with noise in it, so that its coded bytes hold stuffed 0xFF."""
    noise = np.random.default_rng(shade).integers(0, 255, (size, size, 3), np.uint8)
    file = io.BytesIO()
    with av.open(file, "w", format="image2pipe") as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width = stream.height = size
        stream.pix_fmt = "yuvj420p"
        frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return file.getvalue()


PICTURES = [jpeg(shade) for shade in range(3)]
HEAD = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: 12\r\n\r\n"


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(1, 4000), min_size=1), between=st.binary(max_size=60).filter(lambda junk: b"\xff" not in junk))
def test_pictures_come_whole_however_the_stream_is_cut(cuts: list[int], between: bytes) -> None:
    stream = b"".join(between + HEAD + picture + b"\r\n" for picture in PICTURES * 2)
    splitter, found, at, turn = JpegPictures(), [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += splitter.push(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == PICTURES * 2


def test_a_picture_comes_with_its_last_byte() -> None:
    splitter = JpegPictures()
    assert splitter.push(HEAD + PICTURES[0][:-1]) == []
    assert splitter.push(PICTURES[0][-1:]) == [PICTURES[0]]


@pytest.mark.parametrize("cut", [3, 30, 400, -2])
def test_a_picture_that_breaks_off_costs_no_other(cut: int) -> None:
    splitter = JpegPictures()
    found = splitter.push(PICTURES[0][:cut] + HEAD + PICTURES[1] + HEAD + PICTURES[2])
    assert found[-1] == PICTURES[2]


def test_a_thumbnail_is_no_picture() -> None:
    thumbnail = jpeg(9, 16)
    body = b"Exif\0\0" + thumbnail
    whole = PICTURES[0][:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + PICTURES[0][2:]
    assert JpegPictures().push(whole) == [whole]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=200)))
def test_any_bytes_are_borne(pieces: list[bytes]) -> None:
    splitter = JpegPictures()
    for piece in pieces:
        for picture in splitter.push(piece):
            assert picture.startswith(b"\xff\xd8")
            assert picture.endswith(b"\xff\xd9")
