"""Archives on a real Ray cluster: nodes of this machine, and kills."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.archive.manifest import JOURNALS
from streamer.cluster.connection import connected
from streamer.errors import ClusterUnavailable, ConfigError
from tests.archive.test_run import results
from tests.cluster.machines import Machines
from tests.media import ffmpeg
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WAIT_S = 240.0


def command(*arguments: object, detector: str = "tests.bright:Bright") -> list[str]:
    return [sys.executable, "-m", "streamer", "annotate", *map(str, arguments), "--detector", detector]


def run(*arguments: object, detector: str = "tests.bright:Bright") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments, detector=detector), capture_output=True, text=True, check=False, timeout=WAIT_S)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings of a test picture, and two that become white."""
    folder = tmp_path_factory.mktemp("in")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=1", "-f", "lavfi", "-i", "sine=d=1", folder / "c.mp4")
    test, white = "testsrc2=s=160x90:r=10:d=1[a]", "color=white:s=160x90:r=10:d=0.5[b]"
    ffmpeg("-f", "lavfi", "-i", f"{test};{white};[a][b]concat,format=yuv420p", folder / "a.mp4")
    (folder / "sub").mkdir()
    shutil.copy(folder / "a.mp4", folder / "sub" / "b.mp4")
    shutil.copy(folder / "c.mp4", folder / "sub" / "line\nend.mp4")
    return folder


@pytest.fixture(scope="module")
def expected(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What processes of this machine make of them."""
    out = tmp_path_factory.mktemp("expected") / "out"
    assert run(tree, "-o", out).returncode == 0
    return results(out)


def test_the_results_are_those_of_processes_and_what_fails_is_listed(
    cluster: Machines, tree: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(tree, tmp_path / "in")
    (tmp_path / "in" / "text.mp4").write_text("no video", encoding="utf-8")
    out = tmp_path / "out"
    # A relative path is the driver's own.
    done = subprocess.run(
        command("in", "-o", "out", "--ray", cluster.address),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )
    assert done.returncode == 1, done.stderr
    assert "4 of 5 recordings done, 1 failed" in done.stderr
    assert "text.mp4" in done.stderr
    assert done.stdout == ""
    assert results(out) == expected
    again = run(tmp_path / "in", "-o", out, "--ray", cluster.address, "--resume")
    assert "4 of 5 recordings done, 4 of them before, 1 failed" in again.stderr


def test_a_worker_that_dies_costs_its_recording_one_retry(cluster: Machines, tree: Path, tmp_path: Path) -> None:
    done = run(tree, "-o", tmp_path / "out", "--ray", cluster.address, detector="tests.archive.deadly:Deadly")
    assert done.returncode == 1
    assert "2 of 4 recordings done, 2 failed" in done.stderr
    assert " ".join(done.stderr.split()).count("was killed or crashed, twice") == 2, done.stderr
    assert not list((tmp_path / "out").rglob("*.partial-*"))


def test_the_recordings_of_a_lost_machine_are_done_by_others(
    cluster: Machines, tree: Path, expected: dict[str, str], go: Path, tmp_path: Path
) -> None:
    machine = cluster.add(2)
    out = tmp_path / "out"
    running = command(tree, "-o", out, "--ray", cluster.address, detector="tests.cluster.waiting_detector:Waiting")
    try:
        with subprocess.Popen(running, stderr=subprocess.PIPE, text=True) as process:
            try:
                # Two wait at white pictures, on a machine each or both on one; whichever it is, none is lost.
                wait_until(lambda: len(list((out / JOURNALS).glob("*"))) == 2 and len(list(out.rglob("*.mp4"))) >= 4, WAIT_S)
                cluster.kill(machine)
                go.touch()
                _, told = process.communicate(timeout=WAIT_S)
            finally:
                process.kill()
    finally:
        go.unlink(missing_ok=True)
    assert process.returncode == 0, told
    assert results(out) == expected


def test_ctrl_c_ends_all_and_resume_goes_on(
    cluster: Machines, tree: Path, expected: dict[str, str], go: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    waiting = command(tree, "-o", out, "--ray", cluster.address, detector="tests.cluster.waiting_detector:Waiting")
    with subprocess.Popen(waiting, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: len(list((out / JOURNALS).glob("*"))) == 2, WAIT_S)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, told
    assert "recordings are left; the same command with --resume" in told
    assert not list(out.rglob("*.partial-*"))
    go.touch()
    try:
        assert subprocess.run([*waiting, "--resume"], check=False, timeout=WAIT_S).returncode == 0
    finally:
        go.unlink()
    assert results(out) == expected


def test_records_are_exported_as_by_processes(cluster: Machines, tree: Path, tmp_path: Path) -> None:
    found = tmp_path / "found"
    assert run(tree, "-o", tmp_path / "out", "--detections", found).returncode == 0
    (found / "text.jsonl").write_text("no records", encoding="utf-8")
    export = [sys.executable, "-m", "streamer", "export", str(found), "--to", "coco", "--video", str(tree)]
    told = {}
    for name, more in (("here", ["--workers", "2"]), ("there", ["--ray", cluster.address])):
        done = subprocess.run(
            [*export, "-o", str(tmp_path / name), *more], capture_output=True, text=True, check=False, timeout=WAIT_S
        )
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        told[name] = done.stderr
    assert "4 of 5 recordings done, 1 failed" in told["there"]
    assert results(tmp_path / "there") == results(tmp_path / "here")


def test_a_cluster_of_its_own_needs_no_address(tree: Path, expected: dict[str, str], tmp_path: Path) -> None:
    done = run(tree, "-o", tmp_path / "out", "--ray", "local", "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "out") == expected


def test_a_detector_that_cannot_be_used_ends_all_at_once(cluster: Machines, tree: Path, tmp_path: Path) -> None:
    done = run(tree, "-o", tmp_path / "out", "--ray", cluster.address, detector="tests.bright:Cold")
    assert (done.returncode, done.stderr.count("no device")) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--ray", "127.0.0.1:9"), 1, "nothing answers at 127.0.0.1:9"),
        (("--ray", "ray://head:10001"), 2, "expected auto, local or HOST:PORT"),
        (("--ray", "local", "--device", "cuda:1"), 2, "--device cuda"),
    ],
)
def test_wrong_arguments_are_refused(tree: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    done = run(tree, "-o", tmp_path / "out", *arguments)
    assert done.returncode == code
    assert told in done.stderr


def test_another_token_is_told_in_a_line(
    cluster: Machines, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 64)
    done = run(tree, "-o", tmp_path / "out", "--ray", cluster.address)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "asks for another token than this process has; set RAY_AUTH_MODE and RAY_AUTH_TOKEN" in done.stderr


def test_more_cores_than_a_machine_has_are_refused(cluster: Machines, tree: Path, tmp_path: Path) -> None:
    done = run(tree, "-o", tmp_path / "out", "--ray", cluster.address, "--threads", 9)
    assert (done.returncode, "no machine of the cluster has 9 cores" in done.stderr) == (2, True)


def test_without_ray_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r'pip install "streamer\[ray\]"'), connected("local"):
        pass
    with pytest.raises(ClusterUnavailable), connected("127.0.0.1:9"):
        pass


def test_addresses_of_other_storage_are_refused_in_a_line(tree: Path, tmp_path: Path) -> None:
    done = run(tree, "-o", "sftp://host/out", "--ray", "local")
    assert (done.returncode, "mount the storage" in done.stderr) == (2, True)
    done = run("sftp://host/in", "-o", tmp_path / "out", "--ray", "local")
    assert (done.returncode, "--ray is for a folder" in done.stderr) == (2, True)
