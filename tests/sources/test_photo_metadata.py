"""EXIF, XMP and ICC profile go from photo to photo."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.sources.exif import exif_matrix, without_preview
from streamer.sources.photo_metadata import PhotoMetadata, encoded_with_metadata, photo_metadata

ICC = (1000).to_bytes(4, "big") + bytes(4) + b"\x02\x40\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
ICC += bytes.fromhex("0000F6D6 00010000 0000D32D") + bytes(48) + (1).to_bytes(4, "big")
ICC += b"wtpt" + (144).to_bytes(4, "big") + (16).to_bytes(4, "big") + b"XYZ " + bytes(12)
ICC += np.random.default_rng(2).bytes(840)  # libpng takes a profile that can be packed into few bytes for a broken one
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/><xmpGImg:image>AAAA</xmpGImg:image></x:xmpmeta>'
PREVIEW = b"\xff\xd8 the picture as it was \xff\xd9"
PICTURE = np.random.default_rng(3).integers(0, 255, (48, 64, 3), np.uint8)


def exif(orientation: int, order: str = "<") -> bytes:
    """A date, an orientation, and a preview in the second directory."""
    date = b"2024:01:02 03:04:05\0"
    first = struct.pack(order + "H", 2)
    first += struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0) + struct.pack(order + "HHII", 0x0132, 2, 20, 68)
    second_at, preview_at = 38, 88
    first += struct.pack(order + "I", second_at)
    second = struct.pack(order + "H", 2)
    second += struct.pack(order + "HHII", 0x0201, 4, 1, preview_at) + struct.pack(order + "HHII", 0x0202, 4, 1, len(PREVIEW))
    second += bytes(4)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + first + second + date + PREVIEW


WHOLE = PhotoMetadata(exif=exif(6), xmp=XMP, icc=ICC)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_all_of_it_goes_along(suffix: str, tmp_path: Path) -> None:
    photo, lost = encoded_with_metadata(PICTURE, suffix, (), WHOLE)
    assert lost == []
    assert photo_metadata(photo) == WHOLE
    (tmp_path / f"o{suffix}").write_bytes(photo)
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-show_frames", str(tmp_path / f"o{suffix}")], capture_output=True, text=True, check=True
    ).stdout
    assert "ICC profile" in shown


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_part_that_cannot_be_written_does_not_cost_the_others(suffix: str) -> None:
    broken = replace(WHOLE, icc=ICC[:16] + bytes(200_000))
    photo, lost = encoded_with_metadata(PICTURE, suffix, (), broken)
    found = photo_metadata(photo)
    assert (found.exif, found.xmp) == (WHOLE.exif, WHOLE.xmp)
    assert bool(lost) == (found.icc != broken.icc)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_drawn_picture_is_upright_and_without_its_preview(order: str) -> None:
    kept, lost = replace(WHOLE, exif=exif(6, order)).of_a_drawn_picture()
    assert lost == []
    assert len(kept.exif) == len(exif(6, order))
    assert b"2024:01:02 03:04:05" in kept.exif
    assert b"as it was" not in kept.exif
    assert exif_matrix(b"Exif\0\0" + kept.exif) == exif_matrix(b"Exif\0\0" + exif(1))
    assert b'tiff:Orientation="1"' in kept.xmp
    assert b"AAAA" not in kept.xmp


def test_a_profile_for_other_colours_is_named() -> None:
    kept, lost = PhotoMetadata(icc=ICC.replace(b"RGB ", b"GRAY")).of_a_drawn_picture()
    assert kept.icc == b""
    assert "ICC profile" in lost[0]


def test_files_that_tell_nothing() -> None:
    assert photo_metadata(encoded_with_metadata(PICTURE, ".png", (), PhotoMetadata())[0]) == PhotoMetadata()
    assert photo_metadata(b"no picture at all") == PhotoMetadata()


@given(st.binary(max_size=200))
def test_nonsense_keeps_its_length(data: bytes) -> None:
    assert len(without_preview(b"II*\0" + data)) == 4 + len(data)
