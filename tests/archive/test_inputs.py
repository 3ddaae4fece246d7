"""Which recordings a folder, a pattern or a list names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamer.archive.inputs import find, is_archive
from streamer.errors import ConfigError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "a.mp4",
        "b/a.mov",
        "b/c/d.MKV",
        "b/notes.txt",
        ".hidden.mp4",
        ".cache/e.mp4",
        "with space.mp4",
        "line\nend.mp4",
    ):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def names(text: object, results: Path = Path("/elsewhere")) -> list[str]:
    return [recording.name for recording in find(str(text), [results]).recordings]


def test_a_folder_gives_what_is_video_by_its_name_and_counts_the_rest(tree: Path) -> None:
    assert names(tree) == ["a.mp4", "b/a.mov", "b/c/d.MKV", "line\nend.mp4", "with space.mp4"]
    assert find(str(tree), []).left_out == {"hidden": 2, "not video, by their names": 1}


def test_names_that_are_not_utf8(tree: Path) -> None:
    (tree / os.fsdecode(b"l\xe9.mp4")).touch()
    (recording,) = [each for each in find(str(tree), []).recordings if "\udce9" in each.name]
    assert os.fsencode(recording.path).endswith(b"/l\xe9.mp4")


def test_a_link_to_a_folder_is_followed_once_and_never_round(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.mp4").touch()
    (tree / "A").symlink_to(other)
    (tree / "b" / "up").symlink_to(tree)
    (tree / "z").symlink_to(tree / "b" / "c")
    found = names(tree)
    assert "A/x.mp4" in found
    assert "b/c/d.MKV" in found
    assert len(found) == 6


def test_what_cannot_be_read_and_what_is_no_file_never_stands_in_the_way(tree: Path) -> None:
    (tree / "gone.mp4").symlink_to(tree / "nowhere")
    (tree / "round.mp4").symlink_to("round.mp4")
    os.mkfifo(tree / "pipe.mp4")
    found = find(str(tree), [])
    assert [name for name, reason in found.problems if "leads nowhere" in reason] == ["gone.mp4", "round.mp4"]
    assert found.left_out["no files (pipes, devices)"] == 1
    assert len(found.recordings) == 5


def test_results_within_the_input_are_refused(tree: Path, tmp_path: Path) -> None:
    for place in (tree, tree / "b" / "out", tmp_path / "link" / "out"):
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(tree)
        with pytest.raises(ConfigError, match="which is the input"):
            find(str(tree), [place])


def test_a_pattern_leaves_out_the_results(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(tree / "*.mp4") == ["a.mp4", "line\nend.mp4", "with space.mp4"]
    assert names(tree / "**" / "*.m*") == ["a.mp4", "b/a.mov", "line\nend.mp4", "with space.mp4"]
    assert names(tree / "b" / "?" / "*") == ["c/d.MKV"]
    monkeypatch.chdir(tree)
    assert names("**/a.*") == ["a.mp4", "b/a.mov"]
    assert names("**/a.*", Path("b")) == ["a.mp4"]


def test_a_list_counts_from_its_own_folder(tree: Path, tmp_path: Path) -> None:
    listing = tree / "list.txt"
    listing.write_text(f"a.mp4\r\n\nb/./a.mov\na.mp4\n../far.mp4\n{tmp_path}/near.mp4\n", encoding="utf-8")
    found = find(str(listing), [])
    inside = str(tmp_path).lstrip("/")
    assert [each.name for each in found.recordings] == sorted(["a.mp4", "b/a.mov", f"{inside}/far.mp4", f"{inside}/near.mp4"])
    assert found.left_out == {"listed twice": 1}
    listing.write_bytes(b"line\nend.mp4\0a.mp4\0")
    assert names(listing) == ["a.mp4", "line\nend.mp4"]


def test_what_is_one_recording_is_no_archive(tree: Path) -> None:
    (tree / "odd[1].mp4").touch()
    assert not is_archive(str(tree / "a.mp4"))
    assert not is_archive(str(tree / "odd[1].mp4"))
    assert not is_archive("rtsp://camera/*?x=[1]")
    assert is_archive(str(tree))
    assert is_archive(str(tree / "*.mp4"))


def test_an_archive_without_recordings_says_what_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "readme.md").touch()
    with pytest.raises(ConfigError, match=r"no recordings \(left out: 1 not video"):
        find(str(tmp_path), [])
