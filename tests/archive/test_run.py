"""Archives as a user runs them: real recordings, real processes, and kills."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.archive.manifest import JOURNALS, MANIFEST
from streamer.perception.journal import ENTRY
from tests.media import ffmpeg, packet_digest
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

WAIT_S = 60.0


def command(*arguments: object, detector: str = "tests.bright:Bright") -> list[str]:
    return [sys.executable, "-m", "streamer", "annotate", *map(str, arguments), "--detector", detector]


def run(*arguments: object, detector: str = "tests.bright:Bright") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments, detector=detector), capture_output=True, text=True, check=False, timeout=WAIT_S)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "clip.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=1", "-f", "lavfi", "-i", "sine=d=1", path)
    return path


@pytest.fixture(scope="module")
def white(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames of a test picture, then five that are white."""
    path = tmp_path_factory.mktemp("archive") / "white.mp4"
    test, white = "testsrc2=s=160x90:r=10:d=1[a]", "color=white:s=160x90:r=10:d=0.5[b]"
    ffmpeg("-f", "lavfi", "-i", f"{test};{white};[a][b]concat,format=yuv420p", path)
    return path


@pytest.fixture
def tree(tmp_path: Path, recording: Path, white: Path) -> Path:
    """Three recordings of a test picture; the third of all by name ends in white."""
    for name in ("a.mp4", "sub/line\nend.mp4", "sub/a.mp4"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(recording, tmp_path / "in" / name)
    shutil.copy(white, tmp_path / "in" / "sub" / "b c.mp4")
    return tmp_path / "in"


def results(folder: Path) -> dict[str, str]:
    """What every file holds, by its name; the manifest's lines come in any order."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def answered(out: Path) -> int:
    """Frames of the third recording that the detector's answer is kept for."""
    entries = {}
    for journal in (out / JOURNALS).glob("*"):
        if journal.name == hashlib.sha256(b"sub/b c.mp4").hexdigest()[:32]:
            content = journal.read_bytes()
            place = content.index(b"\n") + 1
            while place + ENTRY.size <= len(content):
                length, _, index, _ = ENTRY.unpack_from(content, place)
                place += ENTRY.size + length
                entries[index] = place <= len(content)
    return sum(entries.values())


def test_a_tree_is_mirrored_and_what_is_broken_costs_nobody_else(tree: Path, tmp_path: Path, recording: Path) -> None:
    (tree / "text.mp4").write_text("no video", encoding="utf-8")
    (tree / "empty.mkv").touch()
    ffmpeg("-i", recording, "-c", "copy", tree / "a.mkv")
    ffmpeg("-i", recording, "-c:a", "copy", tree / "a.avi")
    shutil.copy(recording, tree / os.fsdecode(b"l\xe9.mp4"))
    out, records = tmp_path / "out", tmp_path / "records"
    done = run(tree, "-o", out, "--detections", records, "--workers", 2)
    assert done.returncode == 1
    assert "text.mp4" in done.stderr
    assert "empty.mkv" in done.stderr
    assert "7 of 9 recordings done, 2 failed" in done.stderr
    expected = ["a.avi.mp4", "a.mkv", "a.mp4", "l\udce9.mp4", "sub/a.mp4", "sub/b c.mp4", "sub/line\nend.mp4"]
    assert sorted(results(out)) == expected
    inputs = ["a.avi", *expected[1:]]
    assert sorted(results(records)) == [f"{name}.jsonl" for name in inputs]
    single = tmp_path / "single.mp4"
    assert run(recording, "-o", single).returncode == 0
    assert packet_digest(single, "a") == packet_digest(out / "sub" / "a.mp4", "a")
    assert packet_digest(single, "v") == packet_digest(out / "sub" / "a.mp4", "v")


def test_resume_does_what_is_left_or_has_changed(tree: Path, tmp_path: Path, recording: Path) -> None:
    out = tmp_path / "out"
    assert run(tree, "-o", out).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")}
    ffmpeg("-i", recording, "-t", "0.5", "-y", tree / "a.mp4")
    (out / "sub" / "a.mp4").unlink()
    refused = run(tree, "-o", out)
    assert (refused.returncode, "--resume" in refused.stderr) == (2, True)
    done = run(tree, "-o", out, "--resume")
    assert done.returncode == 0, done.stderr
    assert "4 of 4 recordings done, 2 of them before" in done.stderr
    changed = {str(path.relative_to(out)) for path in out.rglob("*.mp4") if before.get(path) != path.stat().st_mtime_ns}
    assert changed == {"a.mp4", "sub/a.mp4"}


def test_a_file_that_is_no_result_is_never_replaced(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.mp4").write_text("mine", encoding="utf-8")
    for more in ((), ("--resume",)):
        assert run(tree, "-o", out, *more).returncode == 1
    # The first run began it, and was refused; that does not make the file a result.
    assert (out / "a.mp4").read_text(encoding="utf-8") == "mine"


def test_a_detector_that_cannot_be_used_ends_all_at_once(tree: Path, tmp_path: Path) -> None:
    done = run(tree, "-o", tmp_path / "out", detector="tests.bright:Cold")
    assert (done.returncode, done.stderr.count("no device")) == (1, 1)


def test_a_worker_that_dies_costs_its_recording_one_retry(tree: Path, tmp_path: Path) -> None:
    done = run(tree, "-o", tmp_path / "out", detector="tests.archive.deadly:Deadly")
    assert done.returncode == 1
    assert done.stderr.count("SIGKILL") == 1
    assert "3 of 4 recordings done, 1 failed" in done.stderr
    assert not list((tmp_path / "out").rglob("*.partial-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_was_stopped_goes_on_and_gives_the_same(tree: Path, tmp_path: Path, number: signal.Signals) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert run(tree, "-o", whole, "--detections", tmp_path / "whole-records").returncode == 0
    more = ("--detections", tmp_path / "records", "--coco", tmp_path / "records")
    stuck = command(tree, "-o", out, *more, detector="tests.archive.deadly:Stuck")
    with subprocess.Popen(stuck, stderr=subprocess.PIPE, text=True, env={**os.environ, "STUCK": "1"}) as process:
        wait_until(lambda: answered(out) == 10, WAIT_S)
        process.send_signal(number)
        _, told = process.communicate(timeout=WAIT_S)
    assert (out / "a.mp4").exists()
    # What was under way has no name yet.
    assert set(results(tmp_path / "records")) >= {"a.mp4.jsonl", "a.mp4.json"}
    assert not {"sub/b c.mp4.jsonl", "sub/b c.mp4.json"} & set(results(tmp_path / "records"))
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "2 recordings are left; the same command with --resume" in told
        assert not list(tmp_path.rglob("*.partial-*"))
    calls = tmp_path / "calls"
    goes_on = subprocess.run(
        command(tree, "-o", out, *more, "--resume", detector="tests.archive.deadly:Stuck"),
        check=False,
        env={**os.environ, "CALLS": str(calls)},
        timeout=WAIT_S,
    )
    assert goes_on.returncode == 0
    # Five white frames of the one, ten frames of the other, and two pictures to warm up with at most.
    assert 15 <= len(calls.read_text(encoding="utf-8")) <= 17
    assert results(out) == results(whole)
    assert not list(tmp_path.rglob("*.partial-*"))
    assert len(results(tmp_path / "records")) == 8
    entries = [json.loads(line) for line in (out / MANIFEST).read_text(encoding="utf-8").splitlines()]
    assert sum(entry["state"] == "done" for entry in entries) == 4


def test_a_full_disk_leaves_no_part_beside_what_is_made_later(tree: Path, tmp_path: Path) -> None:
    whole, out, records = tmp_path / "whole", tmp_path / "out", tmp_path / "records"
    more = ("--detections", records, "--coco", records)
    assert run(tree, "-o", whole).returncode == 0
    least = min(path.stat().st_size for path in whole.rglob("*.mp4"))
    limited = ["prlimit", f"--fsize={least * 3 // 4}", *command(tree, "-o", out, *more)]
    full = subprocess.run(limited, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert (full.returncode, "0 of 4 recordings done, 4 failed" in full.stderr) == (1, True), full.stderr
    assert set(results(out)) <= {str(path.relative_to(out)) for path in (out / JOURNALS).iterdir()}
    assert results(records) == {}
    assert ".partial-" not in full.stderr
    assert run(tree, "-o", out, "--resume", *more).returncode == 0
    assert len(results(records)) == 8
    assert results(out) == results(whole)


def test_a_folder_that_cannot_be_made_is_told_in_a_line_each(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "records").touch()
    done = run(tree, "-o", tmp_path / "out", "--detections", tmp_path / "records", "--workers", 2)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "0 of 4 recordings done, 4 failed" in done.stderr
    assert "cannot be made" in done.stderr
