"""A process, a machine and the head's cable lost one after the other, in every order, under an archive and a fleet."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise, permutations
from pathlib import Path

import pytest

from streamer.errors import SourceError
from streamer.sources.probe import probe
from tests.archive.test_run import results
from tests.cluster.namespaces import Namespaces, namespaces
from tests.cluster.stamping import Stamp, stamps
from tests.media import ffmpeg
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.minutes, pytest.mark.timeout(900)]

WAIT_S = 240.0
LATELY_S = 2.0
"""Who has written within so many seconds is at work."""
ON_DISK = 100
"""Of a recording of so many frames a part is on the disk: encoders hold some dozens back, and a fragment takes a second."""
STREAMER = (sys.executable, "-m", "streamer")
RECORDINGS = ("a.mp4", "b.mp4", "sub/c.mp4")


class Cluster:
    """The machines, who works on them by the stamps of their detectors, and the faults."""

    def __init__(self, machines: Namespaces, folder: Path) -> None:
        self.machines = machines
        self.folder = folder
        self._lost: set[str] = set()
        self._killed: set[Stamp] = set()
        self._booted = 0
        for _ in range(2):
            self._boot()

    def at_work(self, file: str) -> dict[tuple[str, str], Stamp]:
        """The last stamp of each process that works, by its machine and number."""
        last = {(stamp.machine, stamp.process): stamp for stamp in stamps(self.folder / file)}
        since = time.monotonic() - LATELY_S
        gone = {(stamp.machine, stamp.process) for stamp in self._killed}
        return {who: stamp for who, stamp in last.items() if stamp.at > since and who[0] not in self._lost and who not in gone}

    def process(self) -> None:
        """kill -9 of one process of the archive, and of the camera's."""
        for file in ("archive", "fleet"):
            one = next(iter(self.at_work(file).values()))
            self._killed.add(one)
            command = self.machines.command(int(one.machine), "kill", "-9", one.process)
            subprocess.run(command, check=False, capture_output=True)  # a camera may have lost its lease just now

    def machine(self) -> None:
        """The power of the machine where the camera is; the archive works on all."""
        one = next(iter(self.at_work("fleet").values()))
        self._lost.add(one.machine)
        self.machines.kill(int(one.machine))
        self._boot()

    def cable(self) -> None:
        """That of the head, for longer than it waits for machines: all are lost, and others join."""
        self._lost |= {str(machine) for machine in range(1, self._booted + 1)}
        self.machines.cut(0)
        time.sleep(8)
        self.machines.mend(0)
        for _ in range(2):
            self._boot()

    def _boot(self) -> None:
        self._booted += 1
        self.machines.boot(self._booted, 2)


FAULTS: dict[str, Callable[[Cluster], None]] = {"process": Cluster.process, "machine": Cluster.machine, "cable": Cluster.cable}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    environment = {
        "GO": str(tmp_path / "go"),
        "STAMPS_OF_ARCHIVE": str(tmp_path / "archive"),
        "STAMPS": str(tmp_path / "fleet"),
    }
    with namespaces(tmp_path, environment) as machines:
        yield Cluster(machines, tmp_path)


def a_tree(folder: Path) -> Path:
    """Recordings that become white."""
    test, white = "testsrc2=s=160x90:r=10:d=1[a]", "color=white:s=160x90:r=10:d=0.5[b]"
    for number, name in enumerate(RECORDINGS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        graph = f"{test};{white};[a][b]concat,hue=h={number * 40},format=yuv420p"
        ffmpeg("-f", "lavfi", "-i", graph, "-f", "lavfi", "-i", "sine=d=1.5", folder / name)
    return folder


@pytest.mark.parametrize("order", list(permutations(FAULTS)), ids=" ".join)
def test_nothing_is_lost_and_nothing_is_twice(cluster: Cluster, tmp_path: Path, order: tuple[str, ...]) -> None:
    tree, out, whole = a_tree(tmp_path / "in"), tmp_path / "out", tmp_path / "whole"
    annotate = [*STREAMER, "annotate", str(tree), "--detector", "tests.cluster.waiting_detector:TellingWaiting"]
    config = tmp_path / "fleet.yaml"
    config.write_text(
        f"detector: tests.cluster.stamping:Stamping\ndefaults: {{record_annotated: {tmp_path}/recorded, cores: 0.5}}\n"
        "cameras: {gate: {source: 'test:'}}\n",
        encoding="utf-8",
    )
    logs = tmp_path / "archive.log", tmp_path / "fleet.log"
    ray = ("--ray", cluster.machines.address)
    archive = cluster.machines.start(
        0, *annotate, "-o", str(out), "--detections", str(out / "found"), *ray, "--workers", "2", log=logs[0]
    )
    fleet = cluster.machines.start(0, *STREAMER, "run", str(config), *ray, log=logs[1])

    def told() -> str:
        return "\n".join(log.read_text(encoding="utf-8") for log in logs)

    def all_work() -> bool:
        return len(cluster.at_work("archive")) == 2 and len(cluster.at_work("fleet")) == 1

    try:
        for fault in order:
            wait_until(all_work, WAIT_S, what=told)
            FAULTS[fault](cluster)
        wait_until(all_work, WAIT_S, what=told)
        (tmp_path / "go").touch()
        assert archive.wait(WAIT_S) == 0, told()
        assert f"{len(RECORDINGS)} of {len(RECORDINGS)} recordings done" in told()
        cluster.machines.send_signal(fleet, signal.SIGTERM)
        assert fleet.wait(WAIT_S) == 0, told()
    finally:
        for process in (archive, fleet):
            process.kill()
            process.wait()
    quiet = cluster.machines.start(0, *annotate, "-o", str(whole), "--detections", str(whole / "found"), log=logs[0])
    assert quiet.wait(WAIT_S) == 0, told()
    assert {name: made for name, made in results(out).items() if ".partial-" not in name} == results(whole)
    runs = _runs(stamps(tmp_path / "fleet"))
    assert len(runs) > len(order)  # at first, and after each fault
    assert all(before[-1] < after[0] for before, after in pairwise(runs))
    # The last one was ended in order.
    should_play = 1 + sum(len(run) > ON_DISK for run in runs[:-1])
    assert sum(_plays(path) for path in (tmp_path / "recorded").glob("*.mp4")) >= should_play


def _runs(written: list[Stamp]) -> list[list[float]]:
    """When each process was at work, the first first."""
    runs: dict[tuple[str, str], list[float]] = {}
    for stamp in written:
        runs.setdefault((stamp.machine, stamp.process), []).append(stamp.at)
    return sorted(runs.values())


def _plays(path: Path) -> bool:
    try:
        return bool(probe(str(path)).streams)
    except SourceError:  # killed before anything of it was on the disk
        return False
