"""What an archive's run leaves when it is killed at random moments, and goes on each time.

    python -m benchmarks.archive_kills [--kills 20] [--seed 21] [--workers 2] [--address s3://bucket/kills] [-- OPTION …]

A folder of recordings is annotated without a kill, then again into another folder with kills (SIGKILL) of the run, of one of
its workers, or of both, after a random pause, each followed by ``--resume``. In the end every file of both folders has to be
the same, byte for byte, with nothing beside it, and no process may be left. With ``--address`` the run that is killed puts its
results below that address of object storage, where nothing may be yet. OPTION are options of ``streamer annotate``. Ends with 1
where that does not hold.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import SAMPLES
from streamer.archive.manifest import MANIFEST
from streamer.archive.object_manifest import FOLDER
from streamer.object_storage.storage import Storage
from tests.media import ffmpeg, packet_digest, packet_times

_DEADLINE_S = 900.0


def make_recordings(folder: Path, odd: str) -> None:
    """Recordings of many kinds: without sound, of one frame, with variable rate, with odd names, and two that are none."""
    (folder / "day 1").mkdir(parents=True)
    shutil.copy(SAMPLES / "bikes.mp4", folder / "day 1" / odd)
    shutil.copy(SAMPLES / "bottles.mp4", folder / "bottles.mp4")
    tone = ("-f", "lavfi", "-i", "sine=d=2")
    ffmpeg("-i", SAMPLES / "pedestrians.mp4", *tone, "-t", "2", "-c:v", "copy", folder / "day 1" / "a.mkv")
    ffmpeg("-i", SAMPLES / "pedestrians.mp4", *tone, "-t", "2", "-c:v", "copy", "-c:a", "mp3", folder / "day 1" / "a.avi")
    ffmpeg("-i", SAMPLES / "bikes.mp4", "-vf", "select='mod(n,3)+eq(mod(n,7),0)'", "-fps_mode", "vfr", folder / "vfr.mov")
    ffmpeg("-i", SAMPLES / "bikes.mp4", "-frames:v", "1", "-an", folder / "one.mp4")
    (folder / "text.mp4").write_text("no video", encoding="utf-8")
    (folder / "empty.mkv").touch()


def digest(path: Path) -> str:
    """Of the file; of a Matroska file, which begins with a random number of its own, of its packets and their times."""
    if path.suffix == ".mkv":
        return " ".join(packet_digest(path, stream) + "".join(packet_times(path, stream)) for stream in ("v:0", "a:0"))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(*folders: Path) -> dict[str, str]:
    """The digest of every file but the manifest, whose lines may come in any order."""
    files = [(folder, path) for folder in folders for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST]
    return {
        f"{number}/{path.relative_to(folder)}": digest(path)
        for number, folder in enumerate(folders)
        for owner, path in files
        if owner == folder
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


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The process ids of its children."""
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


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
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "in")
        # The test server of S3 takes no name with a line's end; S3 does.
        make_recordings(source, "two lines.mp4" if options.address else "two\nlines.mp4")

        killed_at = options.address or str(Path(name, "killed"))

        def command(target: str, *more: str) -> list[str]:
            places = ["-o", target, "--detections", f"{target}-found", "--scratch", str(Path(name, "scratch"))]
            own = ["--workers", str(options.workers), "--threads", "1", *options.option]
            return [sys.executable, "-m", "streamer", "annotate", str(source), *places, *own, *more]

        begun = time.monotonic()
        subprocess.run(command(str(Path(name, "whole"))), stderr=subprocess.DEVNULL, check=False, timeout=_DEADLINE_S)
        print(f"without a kill: {time.monotonic() - begun:.0f} s", flush=True)
        killed = dict.fromkeys(("run", "worker", "both"), 0)
        left: set[int] = set()
        begun = time.monotonic()
        while sum(killed.values()) < options.kills:
            process = subprocess.Popen(command(killed_at, "--resume"), stderr=subprocess.DEVNULL)
            try:
                process.wait(chance.uniform(0.2, options.longest))
            except subprocess.TimeoutExpired:
                which = chance.choice(list(killed))
                killed[which] += 1
                workers = workers_of(process)
                left.update(workers)
                if which != "worker":
                    process.kill()
                if which != "run" and workers:
                    subprocess.run(["kill", f"-{signal.SIGKILL}", str(chance.choice(workers))], check=False)
                if which == "worker":
                    time.sleep(chance.uniform(0.0, 1.0))
                    process.kill()
                process.wait()
            else:
                # All is done before the kills are: so that there is something to kill, some of it is lost.
                lose(killed_at, 3, chance)
        last = subprocess.run(
            command(killed_at, "--resume"), stderr=subprocess.PIPE, text=True, check=False, timeout=_DEADLINE_S
        )
        print(f"killed {sum(killed.values())} times ({killed}), {time.monotonic() - begun:.0f} s", flush=True)
        expected = contents(Path(name, "whole"), Path(name, "whole-found"))
        places = [killed_at, f"{killed_at}-found"]
        if options.address:
            places = [str(fetched(place, Path(name, str(number)))) for number, place in enumerate(places)]
        found = contents(*map(Path, places))
        alive = [worker for worker in left if Path(f"/proc/{worker}").exists()]
        wrong = [f"{file!r} is not there" for file in expected.keys() - found.keys()]
        wrong += [f"{file!r} is left over" for file in found.keys() - expected.keys()]
        wrong += [f"{file!r} differs" for file in expected.keys() & found.keys() if expected[file] != found[file]]
        wrong += [f"the process {worker} is left" for worker in alive]
        wrong += [f"{path} is left" for path in Path(name, "scratch").glob("work-*")]
        wrong += [f"ended with {last.returncode}: {last.stderr}"] if last.returncode != 1 else []
    print("\n".join(wrong) or f"{len(expected)} files, the same byte for byte; two recordings that are none are listed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
