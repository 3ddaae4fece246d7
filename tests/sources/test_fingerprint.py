from __future__ import annotations

from pathlib import Path

from streamer.sources.fingerprint import fingerprint


def test_it_tells_files_apart(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_bytes(bytes(3_000_000))
    mark = fingerprint(one)
    assert mark is not None
    assert mark.startswith("3000000-")
    assert fingerprint(str(one)) == mark
    one.write_bytes(bytes(2_999_999) + b"1")
    assert fingerprint(one) not in (mark, None)
    one.write_bytes(bytes(3_000_001))
    assert fingerprint(one) not in (mark, None)
    one.write_bytes(b"")
    assert fingerprint(one) is not None


def test_what_is_no_file_has_none(tmp_path: Path) -> None:
    assert fingerprint(tmp_path) is None
    assert fingerprint("rtsp://camera/1") is None
