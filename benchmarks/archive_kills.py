"""What an archive's run leaves when it is ended at random moments, and goes on each time.

    python -m benchmarks.archive_kills [--kills 20] [--seed 21] [--workers 2] [--address s3://bucket/kills] [-- OPTION …]

A folder of recordings is annotated without a kill, then again into another folder with ends at random: SIGKILL of the run, of
one of its workers, of both, or of all its processes at once; SIGTERM; Ctrl-C, once and twice. Each is followed by ``--resume``.
In the end every file of both folders has to be the same, byte for byte, with nothing beside it, events but for their random
ids, and no process may be left. After signals that ask for an end, the run has to end in time with the right code. With
``--address`` the run that is killed puts its results below that address of object storage, where nothing may be yet. OPTION are
options of ``streamer annotate``. Ends with 1 where that does not hold.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.measure import SAMPLES
from streamer.archive.manifest import MANIFEST
from streamer.archive.object_manifest import FOLDER
from streamer.events.store import EVENTS_FILE, EventStore
from streamer.object_storage.storage import Storage
from tests.media import Clip, ffmpeg, packet_digest, packet_times

_DEADLINE_S = 900.0
_END_S = 30.0
"""So long a run may take to end when it is asked to."""
_ID = slice(10, 26)
"""Of the name of an event's file: what is random in it."""
_ZONES = """
zones:
  left: {polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
  all: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]], count: coverage}
lines: {half: {points: [[0.5, 0], [0.5, 1]]}}
"""


def make_recordings(folder: Path, odd: str) -> None:
    """Recordings of many kinds: without sound, of one frame, with variable rate, with odd names, turned, in every container,
    with times below 0, and two that are none."""
    (folder / "day 1").mkdir(parents=True)
    shutil.copy(SAMPLES / "bikes.mp4", folder / "day 1" / odd)
    shutil.copy(SAMPLES / "bottles.mp4", folder / "bottles.mp4")
    tone = ("-f", "lavfi", "-i", "sine=d=2")
    ffmpeg("-i", SAMPLES / "pedestrians.mp4", *tone, "-t", "2", "-c:v", "copy", folder / "day 1" / "a.mkv")
    ffmpeg("-i", SAMPLES / "pedestrians.mp4", *tone, "-t", "2", "-c:v", "copy", "-c:a", "mp3", folder / "day 1" / "a.avi")
    ffmpeg("-i", SAMPLES / "bikes.mp4", "-vf", "select='mod(n,3)+eq(mod(n,7),0)'", "-fps_mode", "vfr", folder / "vfr.mov")
    ffmpeg("-i", SAMPLES / "bikes.mp4", "-frames:v", "1", "-an", folder / "one.mp4")
    few = ("-i", SAMPLES / "bikes.mp4", *tone, "-t", "2", "-map", "0:v", "-map", "1:a")
    ffmpeg(*few, "-c:v", "copy", "-metadata:s:v:0", "rotate=90", folder / "turned.mp4")
    ffmpeg(*few, "-c:v", "copy", "-output_ts_offset", "-0.5", "-avoid_negative_ts", "disabled", folder / "below 0.mov")
    ffmpeg(*few, "-g", "1", "-c:a", "mp2", folder / "key frames.ts")
    ffmpeg(*few, "-s", "160x68", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus", folder / "small.webm")
    Clip(seconds=2, output=("-x264-params", "open-gop=1"), audio=("-c:a", "aac")).write(folder / "nothing.m4v")
    (folder / "text.mp4").write_text("no video", encoding="utf-8")
    (folder / "empty.mkv").touch()


def digest(path: Path) -> str:
    """Of the file; of a Matroska file, which begins with a random number of its own, of its packets and their times; of a file
    of events all that is not their random id."""
    if path.suffix in (".mkv", ".webm"):
        return " ".join(packet_digest(path, stream) + "".join(packet_times(path, stream)) for stream in ("v:0", "a:0"))
    if path.name == EVENTS_FILE:
        store = EventStore(path)
        events = [event.as_json() for event in store.all_events()]
        store.close()
        named = ("id", "snapshot", "clean_snapshot", "clip")
        told = [{key: bool(value) if key in named else value for key, value in event.items()} for event in events]
        return f"{len(told)} events: {told}"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def without_id(path: Path) -> str:
    """A path, without the random id of the event that it is of."""
    if not (path.parent.parent / EVENTS_FILE).exists():
        return str(path)
    return str(path.with_name(path.name[: _ID.start] + path.name[_ID.stop :]))


def contents(folders: Sequence[Path]) -> dict[str, str]:
    """The digest of every file but the manifest, whose lines may come in any order."""
    return {
        f"{number}/{os.path.relpath(without_id(path), folder)}": digest(path)
        for number, folder in enumerate(folders)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST and not path.name.startswith(f"{EVENTS_FILE}-")
    }


def fetched(address: str, folder: Path) -> Path:
    """A new folder of what lies at an address, but for the manifest."""
    shutil.rmtree(folder, ignore_errors=True)
    for one in Storage(address).listed(address):
        if not one.name.startswith(f"{FOLDER}/"):
            (folder / one.name).parent.mkdir(parents=True, exist_ok=True)
            Storage(address).fetch(one.address, folder / one.name)
    return folder


def lose(target: str, number: int, chance: random.Random) -> None:
    """Remove some of the results."""
    if "://" not in target:
        done = [path for path in Path(target).rglob("*") if path.is_file() and path.name != MANIFEST]
        for path in chance.sample(sorted(done), min(number, len(done))):
            path.unlink()
        return
    import fsspec

    there = [one.address for one in Storage(target).listed(target) if not one.name.startswith(f"{FOLDER}/")]
    for address in chance.sample(there, min(number, len(there))):
        fsspec.filesystem("s3", use_listings_cache=False).rm_file(address)


def begun_at(process: int) -> str:
    """When a process began, by which it is told from a later one of the same number; empty where it is no more."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


class Run:
    """A run of the command, in a process group of its own, and the ways to end it."""

    def __init__(self, command: Sequence[str], chance: random.Random) -> None:
        self._chance = chance
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.wrong: list[str] = []

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends by itself in that time."""
        try:
            self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def workers(self) -> list[int]:
        """The process ids of its children."""
        found = subprocess.run(["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=False)
        return [int(line) for line in found.stdout.split()]

    def kill_run(self) -> None:
        """Only the process that plans."""
        self._process.kill()
        self._process.communicate()

    def kill_worker(self) -> None:
        """One that works, and soon after the one that plans."""
        self._kill_a_worker()
        time.sleep(self._chance.uniform(0.0, 1.0))
        self.kill_run()

    def kill_both(self) -> None:
        """The one that plans, and one that works."""
        self._process.kill()
        self._kill_a_worker()
        self._process.communicate()

    def kill_all(self) -> None:
        """All at once, as a machine that goes down does."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def terminate(self) -> None:
        """As a service manager does."""
        self._ask("SIGTERM", self._process.terminate, 143)

    def interrupt(self) -> None:
        """As a terminal does, which signals the whole group."""
        self._ask("Ctrl-C", self._interrupt, 130)

    def interrupt_twice(self) -> None:
        """By somebody in a hurry."""

        def twice() -> None:
            self._interrupt()
            time.sleep(self._chance.uniform(0.0, 0.6))
            self._interrupt()

        self._ask("Ctrl-C twice", twice, 130)

    def _kill_a_worker(self) -> None:
        if workers := self.workers():
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(workers), signal.SIGKILL)

    def _interrupt(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)

    def _ask(self, how: str, ask: Callable[[], object], code: int) -> None:
        ask()
        try:
            _, told = self._process.communicate(timeout=_END_S)
        except subprocess.TimeoutExpired:
            self.wrong.append(f"has not ended {_END_S:.0f} s after {how}")
            self.kill_all()
            return
        # While Python starts, and after the last recording, other ends are right; a traceback of ours never is.
        ours = "Traceback" in told and "/streamer/" in told and self._process.returncode > 0
        if self._process.returncode not in (code, 1, -signal.SIGINT, -signal.SIGTERM) or ours:
            self.wrong.append(f"has ended with {self._process.returncode} after {how}: {told}")


WAYS: dict[str, Callable[[Run], None]] = {
    "run": Run.kill_run,
    "worker": Run.kill_worker,
    "both": Run.kill_both,
    "all": Run.kill_all,
    "SIGTERM": Run.terminate,
    "Ctrl-C": Run.interrupt,
    "Ctrl-C twice": Run.interrupt_twice,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--longest", type=float, default=8.0, help="seconds until a kill at most")
    parser.add_argument("--address", help="of object storage, for the results of the run that is killed")
    parser.add_argument("option", nargs="*")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    # A shell lets what it starts in the background ignore Ctrl-C, and so would what that starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as name:
        source, zones = Path(name, "in"), Path(name, "zones.yaml")
        zones.write_text(_ZONES, encoding="utf-8")
        # The test server of S3 takes no name with a line's end; S3 does.
        make_recordings(source, "two lines.mp4" if options.address else "two\nlines.mp4")
        kinds = ["detections", "coco", "counts"] + ([] if options.address else ["events"])  # events need a folder

        def command(target: str, *more: str) -> list[str]:
            places = ["-o", target, "--zones", str(zones), "--scratch", str(Path(name, "scratch"))]
            places += [part for kind in kinds for part in (f"--{kind}", f"{target}-{kind}")]
            own = ["--workers", str(options.workers), "--threads", "1", *options.option]
            return [sys.executable, "-m", "streamer", "annotate", str(source), *places, *own, *more]

        def folders(target: str) -> list[str]:
            return [target, *(f"{target}-{kind}" for kind in kinds)]

        whole, killed_at = str(Path(name, "whole")), options.address or str(Path(name, "killed"))
        begun = time.monotonic()
        subprocess.run(command(whole), stderr=subprocess.DEVNULL, check=False, timeout=_DEADLINE_S)
        print(f"without a kill: {time.monotonic() - begun:.0f} s", flush=True)
        killed = dict.fromkeys(WAYS, 0)
        left: set[tuple[int, str]] = set()
        wrong: list[str] = []
        begun = time.monotonic()
        while sum(killed.values()) < options.kills:
            run = Run(command(killed_at, "--resume"), chance)
            if run.ends_within(chance.uniform(0.2, options.longest)):
                # All is done before the kills are: so that there is something to kill, some of it is lost.
                lose(killed_at, 3, chance)
                continue
            way = chance.choice(list(killed))
            killed[way] += 1
            left.update((worker, begun_at(worker)) for worker in run.workers())
            WAYS[way](run)
            wrong += run.wrong
        last = subprocess.run(
            command(killed_at, "--resume"), stderr=subprocess.PIPE, text=True, check=False, timeout=_DEADLINE_S
        )
        print(f"killed {sum(killed.values())} times ({killed}), {time.monotonic() - begun:.0f} s", flush=True)
        expected = contents([Path(folder) for folder in folders(whole)])
        places = folders(killed_at)
        if options.address:
            places = [str(fetched(place, Path(name, str(number)))) for number, place in enumerate(places)]
        found = contents([Path(folder) for folder in places])
        alive = [worker for worker, at in left if at and begun_at(worker) == at]
        wrong += [f"{file!r} is not there" for file in expected.keys() - found.keys()]
        wrong += [f"{file!r} is left over" for file in found.keys() - expected.keys()]
        wrong += [f"{file!r} differs" for file in expected.keys() & found.keys() if expected[file] != found[file]]
        wrong += [f"the process {worker} is left" for worker in alive]
        wrong += [f"{path} is left" for path in Path(name, "scratch").glob("work-*")]
        wrong += [f"ended with {last.returncode}: {last.stderr}"] if last.returncode != 1 else []
    print("\n".join(wrong) or f"{len(expected)} files, the same byte for byte; two recordings that are none are listed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
