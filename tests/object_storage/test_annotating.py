"""Recordings from, and results to, a real S3 server: whole commands, and kills."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.archive.object_manifest import FOLDER
from streamer.object_storage.storage import Storage
from tests.media import ffmpeg
from tests.object_storage.conftest import SECRET
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

WAIT_S = 120.0


def command(*arguments: object, detector: str = "tests.bright:Bright") -> list[str]:
    return [sys.executable, "-m", "streamer", "annotate", *map(str, arguments), "--detector", detector]


def run(*arguments: object, detector: str = "tests.bright:Bright") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*arguments, detector=detector), capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert SECRET not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings with sound, the last of which ends in white, one that is none, and what is no video."""
    folder = tmp_path_factory.mktemp("tree") / "in"
    (folder / "sub").mkdir(parents=True)
    test, white = "testsrc2=s=160x90:r=10:d=1[a]", "color=white:s=160x90:r=10:d=0.5[b]"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=1", "-f", "lavfi", "-i", "sine=d=1", folder / "a.mp4")
    shutil.copy(folder / "a.mp4", folder / "sub" / "a ü.mp4")
    ffmpeg("-f", "lavfi", "-i", f"{test};{white};[a][b]concat,format=yuv420p", folder / "sub" / "b.mp4")
    (folder / "broken.mp4").write_text("no video", encoding="utf-8")
    (folder / "notes.txt").touch()
    return folder


def uploaded(folder: Path, address: str) -> str:
    for path in folder.rglob("*"):
        if path.is_file():
            Storage(address).put(path, f"{address}/{path.relative_to(folder)}")
    return address


def objects(address: str, to: Path) -> dict[str, str]:
    """What every object holds, by its name below ``address``; the manifest's are left out."""
    found = {}
    to.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(Storage(address).listed(address)):
        if not one.name.startswith(f"{FOLDER}/"):
            Storage(address).fetch(one.address, to / str(number))
            found[one.name] = _digest(to / str(number), one.name)
    return found


def _digest(path: Path, name: str) -> str:
    content = path.read_bytes()
    if name.endswith(".jsonl"):  # they name their input
        first, rest = content.split(b"\n", 1)
        content = json.dumps(json.loads(first) | {"source": ""}).encode() + rest
    return hashlib.sha256(content).hexdigest()


def files(folder: Path) -> dict[str, str]:
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): _digest(path, path.name) for path in found}


def left_over(tmp_path: Path) -> list[str]:
    """Work that was not removed from this machine."""
    return [str(path) for path in (tmp_path / "cache" / "streamer" / "scratch").glob("work-*")]


def test_an_archive_comes_out_as_from_folders(bucket: str, tree: Path, tmp_path: Path) -> None:
    assert run(tree, "-o", tmp_path / "out", "--detections", tmp_path / "found").returncode == 1
    source = uploaded(tree, f"{bucket}/in")
    places = ["-o", f"{bucket}/out", "--detections", f"{bucket}/found", "--workers", 2]
    done = run(source, *places)
    assert done.returncode == 1
    assert "3 of 4 recordings done, 1 failed" in done.stderr
    assert "left out: 1 not video" in done.stderr
    assert "broken.mp4" in done.stderr
    assert objects(f"{bucket}/out", tmp_path / "o") == files(tmp_path / "out")
    assert objects(f"{bucket}/found", tmp_path / "f") == files(tmp_path / "found")
    assert left_over(tmp_path) == []
    refused = run(source, *places)
    assert (refused.returncode, "--resume" in refused.stderr) == (2, True)
    # One result is lost, one recording is another one: these two are done again.
    import s3fs

    s3fs.S3FileSystem().rm_file(f"{bucket}/found/a.mp4.jsonl")
    Storage(source).put(tree / "a.mp4", f"{source}/sub/b.mp4")
    again = run(source, *places, "--resume")
    assert "3 of 4 recordings done, 1 of them before, 1 failed" in again.stderr
    assert objects(f"{bucket}/found", tmp_path / "f")["a.mp4.jsonl"] == files(tmp_path / "found")["a.mp4.jsonl"]


def test_records_name_the_address_and_fit_the_recording(bucket: str, tree: Path, tmp_path: Path) -> None:
    source = uploaded(tree, f"{bucket}/in")
    assert run(f"{source}/a.mp4", "-o", f"{bucket}/a.mp4", "--detections", tmp_path / "a.jsonl").returncode == 0
    assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])["source"] == f"{source}/a.mp4"
    drawn = [sys.executable, "-m", "streamer", "render", str(tree / "a.mp4"), "-o", str(tmp_path / "a.mp4")]
    subprocess.run([*drawn, "--from", str(tmp_path / "a.jsonl"), "-q"], check=True, timeout=WAIT_S)
    Storage(bucket).fetch(f"{bucket}/a.mp4", tmp_path / "annotated.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "annotated.mp4").read_bytes()
    refused = run(f"{source}/a.mp4", "-o", f"{bucket}/a.mp4")
    assert (refused.returncode, f"{bucket}/a.mp4 exists" in refused.stderr) == (2, True)
    assert left_over(tmp_path) == []


def test_on_ray_the_same_comes_out(bucket: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("ray") is None:  # not imported: it would keep the settings of now, which other tests change
        pytest.skip("needs ray")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert run(tree, "-o", tmp_path / "out").returncode == 1
    done = run(uploaded(tree, f"{bucket}/in"), "-o", f"{bucket}/out", "--ray", "local", "--workers", 2)
    assert "3 of 4 recordings done, 1 failed" in done.stderr
    assert objects(f"{bucket}/out", tmp_path / "o") == files(tmp_path / "out")
    assert left_over(tmp_path) == []


def test_a_pattern_takes_what_matches(bucket: str, tree: Path, tmp_path: Path) -> None:
    source = uploaded(tree, f"{bucket}/in")
    assert run(f"{source}/**/a*.mp4", "-o", tmp_path / "out").returncode == 0
    assert sorted(files(tmp_path / "out")) == ["a.mp4", "sub/a ü.mp4"]


def test_after_a_kill_it_goes_on_and_leaves_nothing(
    bucket: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = uploaded(tree, f"{bucket}/in")
    assert run(tree, "-o", tmp_path / "out", detector="tests.archive.deadly:Stuck").returncode == 1
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("STUCK", "1")
    killed = subprocess.Popen(command(source, "-o", f"{bucket}/out", detector="tests.archive.deadly:Stuck"))
    try:
        # 20 pictures of two recordings, 10 of the third, and the white one at which it sticks.
        wait_until(lambda: (tmp_path / "calls").exists() and (tmp_path / "calls").stat().st_size == 31, WAIT_S, what="31 calls")
        assert len(left_over(tmp_path)) == 1
    finally:
        killed.kill()
        killed.wait()
    assert sorted(objects(f"{bucket}/out", tmp_path / "o")) == ["a.mp4", "sub/a ü.mp4"]
    monkeypatch.delenv("STUCK")
    done = run(source, "-o", f"{bucket}/out", "--resume", detector="tests.archive.deadly:Stuck")
    assert "3 of 4 recordings done, 2 of them before, 1 failed" in done.stderr
    assert objects(f"{bucket}/out", tmp_path / "o") == files(tmp_path / "out")
    assert left_over(tmp_path) == []
    # What the detector had answered before the kill is kept on this machine: the five white ones are asked for.
    assert (tmp_path / "calls").stat().st_size == 31 + 5


def test_objects_of_others_are_never_replaced(bucket: str, tree: Path, tmp_path: Path) -> None:
    Storage(bucket).write(f"{bucket}/out/a.mp4", b"mine")
    for more in ((), ("--resume",)):
        done = run(tree, "-o", f"{bucket}/out", *more)
        assert f"{bucket}/out/a.mp4 exists and is no result" in " ".join(done.stderr.split())
    assert dict(Storage(bucket).read([f"{bucket}/out/a.mp4"])) == {f"{bucket}/out/a.mp4": b"mine"}
    assert run(tree, "-o", f"{bucket}/out", "--overwrite").returncode == 1
    assert Storage(bucket).size(f"{bucket}/out/a.mp4") not in (None, 4)
    assert left_over(tmp_path) == []


def test_a_recording_that_fails_on_the_way_brings_what_it_has(bucket: str, tree: Path, tmp_path: Path) -> None:
    done = run(tree / "sub" / "b.mp4", "-o", f"{bucket}/b.mp4", detector="tests.archive.deadly:Lost")
    assert done.returncode == 1
    assert f"frames before that are in {bucket}/b.mp4" in " ".join(done.stderr.split())
    assert Storage(bucket).size(f"{bucket}/b.mp4")
    assert left_over(tmp_path) == []


def test_what_cannot_be_put_there_is_kept(bucket: str, tree: Path, tmp_path: Path) -> None:
    done = run(tree / "a.mp4", "-o", "s3://nobodys-bucket/x/a.mp4")
    assert done.returncode == 1
    assert done.stderr.count("error:") == 1, bucket
    (kept,) = (tmp_path / "cache" / "streamer" / "scratch").glob("kept-*/output/a.mp4")
    assert str(kept.parent.parent) in done.stderr.replace("\n", "")
    assert kept.stat().st_size > 0
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("places", [["-o", "{bucket}/a.mp4"], ["-o", "{bucket}/b.mp4", "--detections", "{bucket}/b.mp4"]])
def test_nothing_is_written_over_the_input_or_another_output(bucket: str, tree: Path, places: list[str]) -> None:
    Storage(bucket).put(tree / "a.mp4", f"{bucket}/a.mp4")
    done = run(f"{bucket}/a.mp4", *(place.format(bucket=bucket) for place in places), "--overwrite")
    assert (done.returncode, "is the input, or another output" in " ".join(done.stderr.split())) == (2, True)
    assert [one.name for one in Storage(bucket).listed(bucket)] == ["a.mp4"]
    assert Storage(bucket).size(f"{bucket}/a.mp4") == (tree / "a.mp4").stat().st_size


@pytest.mark.parametrize(
    ("places", "code", "told"),
    [
        (["-o", "{bucket}/in/out"], 2, "which is the input"),
        (["-o", "here", "--detections", "{bucket}/found"], 2, "some results are to go to folders"),
        (["-o", "{bucket}/out", "--events", "{bucket}/events"], 2, "leave out --events"),
        (["-o", "s3://tester:hidden-w0rd@bucket/out"], 2, "s3://tester:***@bucket/out holds a password"),
        (["-o", "sftp://tester:hidden-w0rd@host/out"], 2, "sftp://tester:***@host/out is an address"),
        (["-o", "s3://nobodys-bucket/out"], 1, "s3://nobodys-bucket/out/"),
    ],
)
def test_what_is_refused(bucket: str, tmp_path: Path, places: list[str], code: int, told: str) -> None:
    Storage(bucket).write(f"{bucket}/in/a.mp4", b"no video")
    done = run(f"{bucket}/in", *(place.format(bucket=bucket) for place in places))
    assert done.returncode == code
    assert told in " ".join(done.stderr.split())
    assert "hidden-w0rd" not in done.stderr
    assert not (tmp_path / "here").exists()


def test_a_server_that_is_not_there_is_told_in_one_line(bucket: str, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    done = run(tree, "-o", f"{bucket}/out")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {bucket}/out cannot be read: EndpointConnectionError")
    assert done.stderr.count("\n") == 1


def test_without_credentials_the_next_step_is_told(bucket: str, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = run(tree, "-o", f"{bucket}/out")
    assert (done.returncode, "give credentials" in done.stderr) == (1, True)


def test_two_runs_of_a_machine_do_not_work_on_one_output(
    bucket: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("STUCK", "1")
    first = subprocess.Popen(command(tree, "-o", f"{bucket}/out", detector="tests.archive.deadly:Stuck"))
    try:
        wait_until(lambda: (tmp_path / "calls").exists(), WAIT_S, what="a call")
        done = run(tree, "-o", f"{bucket}/out", "--resume")
        assert (done.returncode, f"another process works on {bucket}/out" in done.stderr) == (2, True)
    finally:
        first.kill()
        first.wait()
