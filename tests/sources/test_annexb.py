"""Byte streams of packets of all kinds."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.sources.access_units import nal_units
from streamer.sources.annexb import AnnexB

SPS, PPS, IDR, SLICE = b"\x67\x42\xc0\x1f\x01", b"\x68\xce\x01", b"\x65\x88\x01", b"\x41\x9a\x01"
AVCC = b"\x01\x42\xc0\x1f\xff\xe1\x00\x05" + SPS + b"\x01\x00\x03" + PPS


def start_codes(*units: bytes) -> bytes:
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def lengths(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def test_units_behind_their_lengths_get_start_codes_and_key_frames_the_parameters() -> None:
    stream = AnnexB(AVCC)
    assert stream.picture(lengths(IDR), key=True) == start_codes(SPS, PPS, IDR)
    assert stream.picture(lengths(SLICE), key=False) == start_codes(SLICE)
    assert stream.picture(lengths(SPS, PPS, IDR), key=True) == start_codes(SPS, PPS, IDR)


def test_a_byte_stream_stays_and_gets_parameters_that_came_beforehand() -> None:
    assert AnnexB(start_codes(SPS, PPS)).picture(start_codes(IDR), key=True) == start_codes(SPS, PPS, IDR)
    whole = start_codes(SPS, PPS, IDR)
    assert AnnexB(None).picture(whole, key=True) is whole


@pytest.mark.parametrize("size", range(1, len(AVCC)))
def test_cut_parameters_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="cut"):
        AnnexB(AVCC[:size])


@given(st.lists(st.binary(min_size=1, max_size=40).filter(lambda unit: b"\0\0" not in unit and unit[-1]), max_size=6))
def test_no_unit_is_lost(units: list[bytes]) -> None:
    assert list(nal_units(AnnexB(AVCC).picture(lengths(*units), key=False))) == units


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_taken_or_refused(data: bytes, key: bool) -> None:
    with suppress(ValueError):
        AnnexB(AVCC).picture(data, key=key)
