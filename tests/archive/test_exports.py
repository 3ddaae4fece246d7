"""Many records exported with one command: real records and processes, and a kill."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.archive.manifest import MANIFEST
from tests.archive.test_run import results
from tests.media import ffmpeg
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

WAIT_S = 60.0


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "streamer", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=WAIT_S)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings in ``videos``, and their records in ``found``."""
    folder = tmp_path_factory.mktemp("exports")
    (folder / "videos" / "sub").mkdir(parents=True)
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=1", folder / "videos" / "a.mp4")
    shutil.copy(folder / "videos" / "a.mp4", folder / "videos" / "sub" / "b.mp4")
    annotate = ("annotate", folder / "videos", "-o", folder / "drawn", "--detections", folder / "found")
    assert run(*annotate, "--detector", "tests.bright:Bright", "--track").returncode == 0
    return folder


def test_each_dataset_is_that_of_its_records_alone(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("export", archive / "found", "--to", "coco", "-o", out, "--video", archive / "videos", "--workers", 2)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "2 of 2 recordings done" in done.stderr
    for name in ("a.mp4", "sub/b.mp4"):
        alone = tmp_path / "alone" / name
        alone.parent.mkdir(parents=True, exist_ok=True)
        found = archive / "found" / f"{name}.jsonl"
        assert run("export", found, "--to", "coco", "-o", alone, "--video", archive / "videos" / name).returncode == 0
        assert results(out / name) == results(alone)
        assert len(list((alone / "images").iterdir())) == 10


def test_what_is_broken_is_listed_and_what_is_done_is_left(archive: Path, tmp_path: Path) -> None:
    found, out = tmp_path / "found", tmp_path / "out"
    shutil.copytree(archive / "found", found)
    (found / "c.jsonl").write_text("no records", encoding="utf-8")
    export = ("export", found, "--to", "mot", "-o", out)
    first = run(*export)
    assert first.returncode == 1
    assert "2 of 3 recordings done, 1 failed" in first.stderr
    assert "not exported" in first.stderr
    assert "c.jsonl" in first.stderr
    again = run(*export)
    assert (again.returncode, "--resume goes on with it, another folder begins anew" in again.stderr) == (2, True)
    (found / "c.jsonl").unlink()
    (out / "a.mp4" / "gt" / "gt.txt").write_text("damaged", encoding="utf-8")
    resumed = run(*export, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "2 of 2 recordings done, 1 of them before" in resumed.stderr
    assert (out / "a.mp4" / "gt" / "gt.txt").read_text(encoding="utf-8") != "damaged"
    other = run("export", found, "--to", "mot", "-o", out, "--every", 2, "--resume")
    assert "2 of 2 recordings done · 10 frames" in other.stderr


def test_a_folder_of_others_is_not_replaced(archive: Path, tmp_path: Path) -> None:
    precious = tmp_path / "out" / "a.mp4" / "precious"
    precious.parent.mkdir(parents=True)
    precious.touch()
    done = run("export", archive / "found", "--to", "coco", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "is no result of this command" in " ".join(done.stderr.split())
    assert precious.exists()


def test_after_a_kill_the_datasets_are_those_of_a_quiet_run(archive: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    export = ("export", archive / "found", "--to", "coco", "--video", archive / "videos")
    with subprocess.Popen(command(*export, "-o", out), stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: list(out.rglob(".*.partial-*")) or list(out.rglob("annotations.json")), WAIT_S)
        process.kill()
    assert run(*export, "-o", out, "--resume").returncode == 0
    assert run(*export, "-o", whole).returncode == 0
    assert results(out) == results(whole)
    states = [json.loads(line)["state"] for line in (out / MANIFEST).read_text(encoding="utf-8").splitlines()]
    assert states.count("done") == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("found", "--to", "paper"), "there is no format 'paper'"),
        (("found/a.mp4.jsonl", "--to", "coco", "--workers", "2"), "for a folder, a pattern or a list"),
        (("videos", "--to", "coco"), "there are no records"),
    ],
)
def test_wrong_arguments_are_refused_in_a_line(archive: Path, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    done = run("export", archive / arguments[0], *arguments[1:], "-o", tmp_path / "out")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert told in done.stderr
