"""An archive on a Ray cluster against one by processes, where the detector takes the time; what a fleet asks of its head.

    python -m benchmarks.ray_cluster [--sleep 0.5] [--most 4]

The detector sleeps and finds one object, so that the figures hold for machines that have a core or a GPU for each worker: the
cluster is on this one, with more cores than there are. Recordings of six seconds of detection each, four for each worker; both
ways run in turn. Printed is what N workers reach of N times one, from when the first recording is begun until the call
returns; what was before, the start of processes, and what comes after the last recording are figures of their own. Ends with
1 where N workers reach less than 0.9, where Ray costs more than 5 %, or where a file differs.
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from streamer.archive.annotation_task import AnnotationTask
from streamer.archive.run import ArchiveStatus, work_on_archive
from streamer.cluster.connection import connected
from streamer.cluster.fleet_head import FleetHead, Place
from streamer.cluster.lease import LEASE_S, RENEW_S
from streamer.cluster.workforce import work_on_cluster
from streamer.config.annotate import load_annotate_config
from streamer.live.status import CameraStatus
from streamer.stages import State
from tests.cluster.machines import machines
from tests.media import ffmpeg

LEAST = 0.9
MOST_OVERHEAD = 1.05
_FRAMES = 12
_EACH = 4
_QUESTIONS = 4000


@dataclass
class Timed:
    """When an archive began to work, and when it was done, in seconds of ``perf_counter``."""

    called_at: float = field(default_factory=time.perf_counter)
    begun_at: float = 0.0
    done_at: float = 0.0

    def update(self, status: ArchiveStatus) -> None:
        """As ``on_change``."""
        if status.under_way and not self.begun_at:
            self.begun_at = time.perf_counter()
        if not status.to_do and not self.done_at:
            self.done_at = time.perf_counter()


def archive(tree: Path, out: Path, workers: int, address: str | None) -> tuple[float, float, float]:
    """Annotate once; seconds until the first recording was begun, until the last was done, and until the call returned."""
    given = {"input": str(tree), "output": out, "detector": "benchmarks.archive:Sleeping", "workers": workers, "ray": address}
    task = AnnotationTask(load_annotate_config(None, given))
    timed = Timed()
    status = (work_on_archive if address is None else work_on_cluster)(task, timed.update)
    ended = time.perf_counter()
    if status.failed or status.done != status.total:
        raise RuntimeError(f"not all was done: {status}")
    return timed.begun_at - timed.called_at, timed.done_at - timed.begun_at, ended - timed.done_at


def scaling(folder: Path, address: str, sleep_s: float, most: int) -> list[str]:
    """Print it; what is not good enough."""
    wrong = []
    for workers in [count for count in (1, 2, 4) if count <= most]:
        tree = folder / f"in{workers}"
        tree.mkdir()
        for number in range(workers * _EACH):
            ffmpeg("-f", "lavfi", "-i", f"testsrc2=s=320x180:r=25:d={_FRAMES / 25}", tree / f"{number}.mp4")
        alone_s = _EACH * _FRAMES * sleep_s
        works, taken = {}, {}
        for name, place in (("processes", None), ("Ray", address)):
            start_s, works[name], end_s = archive(tree, folder / f"{name}{workers}", workers, place)
            taken[name] = works[name] + end_s
            share = alone_s / taken[name]
            print(
                f"{name:10} {workers} workers: {taken[name]:5.2f} s, {share:.2f} of {workers} times one; "
                f"start {start_s:.2f} s, work {works[name]:.2f} s, end {end_s:.2f} s",
                flush=True,
            )
            if share < LEAST:
                wrong.append(f"{name}, {workers} workers: {share:.2f}")
        overhead = taken["Ray"] / taken["processes"]
        without_end = works["Ray"] / works["processes"]
        print(f"           Ray takes {overhead:.3f} times as long, without the end {without_end:.3f} times", flush=True)
        if overhead > MOST_OVERHEAD:
            wrong.append(f"{workers} workers: Ray takes {overhead:.3f} times as long")
        ours, theirs = (
            {path.name: path.read_bytes() for path in (folder / f"{name}{workers}").glob("*.mp4")} for name in taken
        )
        if ours != theirs:
            wrong.append("files differ")
    return wrong


def head(address: str) -> None:
    """Print how many cameras one head can answer."""
    status = CameraStatus(name="gate", source="rtsp://camera.example/1", state=State.RUNNING, state_s=1.0, since_utc_s=1e9)
    with connected(address) as ray:
        actor = ray.remote(num_cpus=0)(FleetHead).remote()
        place = Place("machine", "10.0.0.2", 1)
        ray.get(actor.report.remote("gate", "a", place, status))
        begun_at = time.perf_counter()
        # As cameras do: a status with every fourth question.
        asked = [
            actor.report.remote(f"camera{number % 1000}", "a", place, None if number % 4 else status)
            for number in range(_QUESTIONS)
        ]
        ray.get(asked)
        taken_s = time.perf_counter() - begun_at
    a_second = _QUESTIONS / taken_s
    print(
        f"the head answers {a_second:.0f} questions a second, that is {a_second * RENEW_S:.0f} cameras that ask every "
        f"{RENEW_S:g} s for a lease of {LEASE_S:g} s; a status is {len(pickle.dumps(status))} bytes",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sleep", type=float, default=0.5)
    parser.add_argument("--most", type=int, default=4)
    options = parser.parse_args()
    os.environ["BENCHMARK_SLEEP_S"] = str(options.sleep)
    with machines({}) as cluster, tempfile.TemporaryDirectory() as name:
        cluster.add(options.most)
        wrong = scaling(Path(name), cluster.address, options.sleep, options.most)
        head(cluster.address)
    print("\n".join(wrong) or "the files are those of processes")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
