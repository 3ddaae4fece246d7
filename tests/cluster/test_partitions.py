"""Machines that are cut off, stopped and killed: a cluster of network namespaces."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamer.archive.manifest import JOURNALS
from streamer.cluster.lease import LEASE_S
from tests.archive.test_run import results
from tests.cluster.namespaces import Namespaces, namespaces
from tests.cluster.stamping import Stamp, stamps
from tests.media import ffmpeg
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.minutes, pytest.mark.timeout(600)]

WAIT_S = 240.0
STREAMER = (sys.executable, "-m", "streamer")
FAULTS: dict[str, tuple[Callable[[Namespaces, int], None], Callable[[Namespaces, int], None] | None]] = {
    "cut": (Namespaces.cut, Namespaces.mend),
    "stopped": (Namespaces.stop, Namespaces.go_on),
    "killed": (Namespaces.kill, None),
}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Namespaces]:
    environment = {"GO": str(tmp_path / "go"), "STAMPS": str(tmp_path / "stamps")}
    with namespaces(tmp_path, environment) as running:
        running.boot(1, 2)
        yield running


@pytest.mark.parametrize("fault", FAULTS)
def test_a_camera_runs_elsewhere_and_never_twice_at_once(cluster: Namespaces, tmp_path: Path, fault: str) -> None:
    path = tmp_path / "stamps"

    def of(machine: str) -> list[Stamp]:
        return [stamp for stamp in stamps(path) if stamp.machine == machine]

    config = tmp_path / "fleet.yaml"
    config.write_text(
        f"detector: tests.cluster.stamping:Stamping\ndefaults: {{record_annotated: {tmp_path}/recorded}}\n"
        "cameras: {gate: {source: 'test:'}}\n",
        encoding="utf-8",
    )
    fleet = cluster.start(0, *STREAMER, "run", str(config), "--ray", cluster.address, log=tmp_path / "log")
    try:
        wait_until(lambda: of("1"), WAIT_S, what=lambda: (tmp_path / "log").read_text(encoding="utf-8"))
        cluster.boot(2, 2)
        begin, end = FAULTS[fault]
        begin(cluster, 1)
        begun = time.monotonic()
        wait_until(lambda: of("2"), WAIT_S, what=lambda: (tmp_path / "log").read_text(encoding="utf-8"))
        first, last = of("2")[0].at, of("1")[-1].at
        print(f"{fault}: the second began {first - begun:.1f} s after the fault, {first - last:.1f} s after the first ended")
        if end is not None:
            end(cluster, 1)
            wait_until(lambda: of("2")[-1].at - first > 10, WAIT_S)
        assert max(stamp.at for stamp in of("1")) == last < first
        cluster.send_signal(fleet, signal.SIGTERM)
        assert fleet.wait(WAIT_S) == 0, (tmp_path / "log").read_text(encoding="utf-8")
    finally:
        fleet.kill()
        fleet.wait()


def a_tree(folder: Path) -> Path:
    """Two recordings that become white."""
    folder.mkdir()
    test, white = "testsrc2=s=160x90:r=10:d=1[a]", "color=white:s=160x90:r=10:d=0.5[b]"
    ffmpeg("-f", "lavfi", "-i", f"{test};{white};[a][b]concat,format=yuv420p", folder / "a.mp4")
    shutil.copy(folder / "a.mp4", folder / "b.mp4")
    return folder


@pytest.mark.parametrize("fault", FAULTS)
def test_the_recordings_of_a_machine_that_is_gone_are_done_by_others(cluster: Namespaces, tmp_path: Path, fault: str) -> None:
    tree, out, whole = a_tree(tmp_path / "in"), tmp_path / "out", tmp_path / "whole"
    annotate = (*STREAMER, "annotate", str(tree), "--detector", "tests.cluster.waiting_detector:Waiting")
    log = tmp_path / "log"
    archive = cluster.start(0, *annotate, "-o", str(out), "--ray", cluster.address, log=log)
    try:
        wait_until(lambda: len(list((out / JOURNALS).glob("*"))) == 2, WAIT_S, what=lambda: log.read_text(encoding="utf-8"))
        cluster.boot(2, 2)
        begin, end = FAULTS[fault]
        begin(cluster, 1)
        (tmp_path / "go").touch()
        # A copy that is cut off goes on, and completes its results beside the other.
        assert archive.wait(WAIT_S) == 0, log.read_text(encoding="utf-8")
        if end is not None:
            end(cluster, 1)
    finally:
        archive.kill()
        archive.wait()
    single = cluster.start(0, *annotate, "-o", str(whole), log=log)
    assert single.wait(WAIT_S) == 0
    assert {name: made for name, made in results(out).items() if ".partial-" not in name} == results(whole)


@pytest.mark.parametrize("fault", FAULTS)
def test_without_its_head_an_archive_ends_in_a_line_and_goes_on_elsewhere(
    cluster: Namespaces, tmp_path: Path, fault: str
) -> None:
    tree, out, whole = a_tree(tmp_path / "in"), tmp_path / "out", tmp_path / "whole"
    annotate = (*STREAMER, "annotate", str(tree), "--detector", "tests.cluster.waiting_detector:Waiting")
    log = tmp_path / "log"
    archive = cluster.start(1, *annotate, "-o", str(out), "--ray", cluster.address, log=log)
    try:
        wait_until(lambda: len(list((out / JOURNALS).glob("*"))) == 2, WAIT_S, what=lambda: log.read_text(encoding="utf-8"))
        FAULTS[fault][0](cluster, 0)
        assert archive.wait(WAIT_S) == 1
    finally:
        archive.kill()
        archive.wait()
    (told,) = [line for line in log.read_text(encoding="utf-8").splitlines() if "annotating: " not in line]
    assert "error: the head of the Ray cluster has not answered for 3" in told
    assert "the same command with --resume goes on" in told
    # What the head's cluster has left may go on beside it.
    (tmp_path / "go").touch()
    for target, more in ((out, ["--resume"]), (whole, [])):
        single = cluster.start(1, *annotate, "-o", str(target), *more, log=log)
        assert single.wait(WAIT_S) == 0, log.read_text(encoding="utf-8")
    assert {name: made for name, made in results(out).items() if ".partial-" not in name} == results(whole)


def test_without_its_head_a_fleet_ends_in_a_line_and_its_cameras_do_at_once(cluster: Namespaces, tmp_path: Path) -> None:
    path, config, log = tmp_path / "stamps", tmp_path / "fleet.yaml", tmp_path / "log"
    config.write_text(
        f"detector: tests.cluster.stamping:Stamping\ndefaults: {{record_annotated: {tmp_path}/recorded}}\n"
        "cameras: {gate: {source: 'test:'}}\n",
        encoding="utf-8",
    )
    fleet = cluster.start(1, *STREAMER, "run", str(config), "--ray", cluster.address, "--quiet", log=log)
    try:
        wait_until(lambda: stamps(path), WAIT_S, what=lambda: log.read_text(encoding="utf-8"))
        cluster.kill(0)
        killed_at = time.monotonic()
        assert fleet.wait(WAIT_S) == 1
    finally:
        fleet.kill()
        fleet.wait()
    assert stamps(path)[-1].at - killed_at < LEASE_S
    told = log.read_text(encoding="utf-8")
    assert "error: the head of the Ray cluster has not answered for 3" in told
    assert "start the cluster again, and then this command" in told
