"""MP4 files without their index are told from files of other kinds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.sources.boxes import missing_index


def box(kind: bytes, content: bytes = b"", *, length: int | None = None) -> bytes:
    return (8 + len(content) if length is None else length).to_bytes(4, "big") + kind + content


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (box(b"ftyp", b"isom") + box(b"mdat", length=5000) + bytes(90), "never finished"),
        (box(b"ftyp", b"qt  ") + box(b"wide") + box(b"mdat", length=0) + bytes(90), "never finished"),
        (box(b"ftyp", b"isom") + box(b"mdat", bytes(8) + (200).to_bytes(8, "big"), length=1), "never finished"),
        (box(b"ftyp", b"isom") + box(b"moov", length=500) + bytes(90), "middle of its index"),
        (box(b"ftyp", b"isom") + box(b"moov", bytes(9)) + box(b"mdat"), None),
        (b"RIFF" + bytes(90), None),
        (b"", None),
    ],
)
def test_what_is_missing(data: bytes, says: str | None, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(data)
    found = missing_index(str(tmp_path / "x.mp4"))
    assert found is None if says is None else says in (found or "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_nonsense_ends(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    missing_index(str(tmp_path / "x"))


def test_what_is_no_file_has_no_index(tmp_path: Path) -> None:
    assert missing_index(str(tmp_path)) is None
